//! Windows of budgets and rate limits: when one begins and when it ends.
//!
//! A window is named by the instant at which it begins (Unix seconds). Nothing runs to reset it:
//! whoever reads a meter asks [`Window::start`] with the clock in hand.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The length of a window and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    label: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Begins with the first use after the last one's end.
    Rolling { seconds: i64 },
    /// Begins with the calendar's period in a time zone.
    Calendar { period: Period, zone: TimeZone },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Window {
    /// Reads a duration in Go's form (`30s`, `5m`, `1h30m`) or a whole number of `d`, `w`, `M`,
    /// `Q`, `Y`. Calendar windows are one of the latter, in UTC unless an IANA zone is named.
    pub fn parse(
        reset_duration: &str,
        calendar_aligned: bool,
        time_zone: Option<&str>,
    ) -> Result<Window, String> {
        let seconds = seconds(reset_duration)?;
        let label = reset_duration.to_owned();
        if !calendar_aligned {
            if let Some(zone) = time_zone {
                zone_named(zone)?;
            }
            return Ok(Window { label, kind: Kind::Rolling { seconds } });
        }
        let period = match reset_duration {
            "1d" => Period::Day,
            "1w" => Period::Week,
            "1M" => Period::Month,
            "1Q" => Period::Quarter,
            "1Y" => Period::Year,
            other => {
                return Err(format!(
                    "a calendar-aligned window is `1d`, `1w`, `1M`, `1Q` or `1Y`, not `{other}`"
                ));
            }
        };
        let zone = time_zone.map_or(Ok(TimeZone::UTC), zone_named)?;
        Ok(Window { label, kind: Kind::Calendar { period, zone } })
    }

    /// The start of the window that holds `now`, given the start of the last known one (0 when
    /// there was none). Never earlier than `last_start`, so that a reset by hand holds.
    pub fn start(&self, last_start: i64, now: i64) -> i64 {
        match &self.kind {
            Kind::Rolling { seconds } => {
                if now < last_start.saturating_add(*seconds) {
                    last_start
                } else {
                    now
                }
            }
            Kind::Calendar { period, zone } => {
                let Some(date) = date_at(now, zone) else { return last_start };
                instant(period.first_day(date), zone).unwrap_or(now).max(last_start)
            }
        }
    }

    /// The end of the window that began at `start`: the first second that is no longer in it.
    pub fn end(&self, start: i64) -> i64 {
        match &self.kind {
            Kind::Rolling { seconds } => start.saturating_add(*seconds),
            Kind::Calendar { period, zone } => date_at(start, zone)
                .and_then(|date| period.next(period.first_day(date)))
                .and_then(|date| instant(date, zone))
                .unwrap_or(i64::MAX),
        }
    }

    /// The duration as it was configured.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl Period {
    fn first_day(self, date: Date) -> Date {
        match self {
            Period::Day => date,
            Period::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(days.days()).unwrap_or(date)
            }
            Period::Month => date.first_of_month(),
            Period::Quarter => {
                let month = (date.month() - 1) / 3 * 3 + 1;
                Date::new(date.year(), month, 1).unwrap_or(date)
            }
            Period::Year => date.first_of_year(),
        }
    }

    fn next(self, first_day: Date) -> Option<Date> {
        let span = match self {
            Period::Day => 1.day(),
            Period::Week => 1.week(),
            Period::Month => 1.month(),
            Period::Quarter => 3.months(),
            Period::Year => 1.year(),
        };
        first_day.checked_add(span).ok()
    }
}

fn zone_named(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| format!("`{name}` is no IANA time zone such as `Europe/Berlin`"))
}

fn date_at(seconds: i64, zone: &TimeZone) -> Option<Date> {
    Timestamp::from_second(seconds).ok().map(|at| at.to_zoned(zone.clone()).date())
}

/// The first instant of `date`: midnight, or the end of the gap where clocks skip it.
fn instant(date: Date, zone: &TimeZone) -> Option<i64> {
    date.to_zoned(zone.clone()).ok().map(|at| at.timestamp().as_second())
}

fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!(
            "`{text}` is no duration such as `30s`, `5m`, `1h30m`, `1d`, `1w`, `1M`, `1Q`, `1Y`"
        )
    };
    let split = text.len().saturating_sub(1);
    let long = match text.as_bytes().last() {
        Some(b'd') => Some(86_400),
        Some(b'w') => Some(7 * 86_400),
        Some(b'M') => Some(30 * 86_400),
        Some(b'Q') => Some(90 * 86_400),
        Some(b'Y') => Some(365 * 86_400),
        _ => None,
    };
    let seconds = match long {
        Some(unit) => {
            let digits = text.get(..split).ok_or_else(wrong)?;
            let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
            let count: i64 = digits.parse().ok().filter(|_| whole).ok_or_else(wrong)?;
            count.checked_mul(unit).ok_or_else(wrong)?
        }
        None => whole_seconds(text).ok_or_else(wrong)?,
    };
    if seconds < 1 {
        return Err(format!("`{text}` is shorter than a second"));
    }
    Ok(seconds)
}

/// Go's `time.ParseDuration` without signs, in whole seconds.
pub(super) fn whole_seconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut nanoseconds: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() > 12 || fraction.len() > 9 || number == "." {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        nanoseconds += digits * unit / 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        rest = tail;
    }
    let whole = nanoseconds % 1_000_000_000 == 0;
    i64::try_from(nanoseconds / 1_000_000_000).ok().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn durations_in_every_form() {
        let expected = [
            ("30s", 30),
            ("5m", 300),
            ("90m", 5400),
            ("1h30m", 5400),
            ("1.5h", 5400),
            ("2000ms", 2),
            ("2d", 172_800),
            ("1w", 604_800),
            ("1M", 2_592_000),
            ("1Q", 7_776_000),
            ("1Y", 31_536_000),
        ];
        for (text, length) in expected {
            let window = Window::parse(text, false, None).unwrap();
            assert_eq!(window.end(1000), 1000 + length, "{text}");
            assert_eq!(window.label(), text);
        }
        for text in ["", "1", "h", "-1h", "1x", "1.5d", "+1d", "0s", "1h ", "1500ms", "1 d", "."] {
            assert!(Window::parse(text, false, None).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rolling_window_begins_with_the_first_use_after_its_end() {
        let window = Window::parse("1h", false, None).unwrap();
        assert_eq!(window.start(0, 10_000), 10_000);
        assert_eq!(window.start(10_000, 13_599), 10_000);
        assert_eq!(window.start(10_000, 13_600), 13_600);
        assert_eq!(window.start(10_000, 9_000), 10_000, "a clock set back opens no window");
    }

    #[test]
    fn calendar_alignment_needs_a_calendar_period_and_a_known_zone() {
        for text in ["1h", "2M", "30s"] {
            let problem = Window::parse(text, true, None).unwrap_err();
            assert!(problem.contains("calendar"), "{problem}");
        }
        assert!(Window::parse("1d", true, Some("Mars/Olympus")).is_err());
        assert!(Window::parse("1h", false, Some("Mars/Olympus")).is_err());
    }

    #[test]
    fn calendar_periods_in_utc() {
        let now = at("2026-11-23T10:20:30Z");
        let expected = [
            ("1d", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
            ("1w", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            ("1M", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("1Q", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("1Y", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ];
        for (text, start, end) in expected {
            let window = Window::parse(text, true, None).unwrap();
            assert_eq!(window.start(0, now), at(start), "{text}");
            assert_eq!(window.end(at(start)), at(end), "{text}");
            assert_eq!(window.start(at(start), at(end) - 1), at(start), "{text}");
            assert_eq!(window.start(at(start), at(end)), at(end), "{text}");
        }
        let sunday = Window::parse("1w", true, None).unwrap().start(0, at("2026-11-22T23:59:59Z"));
        assert_eq!(sunday, at("2026-11-16T00:00:00Z"));
    }

    #[test]
    fn month_ends_of_every_length() {
        let window = Window::parse("1M", true, None).unwrap();
        for (start, end) in [
            ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
            ("2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"),
            ("2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(window.end(at(start)), at(end));
            assert_eq!(window.start(at(start), at(end) - 1), at(start));
        }
    }

    #[test]
    fn days_of_23_and_25_hours() {
        let window = Window::parse("1d", true, Some("Europe/Berlin")).unwrap();
        let spring = at("2026-03-28T23:00:00Z");
        assert_eq!(window.start(0, at("2026-03-29T12:00:00Z")), spring);
        assert_eq!(window.end(spring), spring + 23 * 3600);
        let autumn = at("2026-10-24T22:00:00Z");
        assert_eq!(window.start(0, at("2026-10-25T12:00:00Z")), autumn);
        assert_eq!(window.end(autumn), autumn + 25 * 3600);
    }

    #[test]
    fn a_day_without_midnight_begins_after_the_gap() {
        let window = Window::parse("1d", true, Some("America/Santiago")).unwrap();
        // Clocks went from 24:00 to 01:00 on 2024-09-08.
        let start = at("2024-09-08T04:00:00Z");
        assert_eq!(window.start(0, at("2024-09-08T15:00:00Z")), start);
        assert_eq!(window.end(start), at("2024-09-09T03:00:00Z"));
    }

    #[test]
    fn a_reset_by_hand_holds_until_the_period_ends() {
        let window = Window::parse("1M", true, Some("America/New_York")).unwrap();
        let reset = at("2026-11-10T12:00:00Z");
        assert_eq!(window.start(reset, at("2026-11-20T00:00:00Z")), reset);
        assert_eq!(window.end(reset), at("2026-12-01T05:00:00Z"));
        assert_eq!(window.start(reset, at("2026-12-01T05:00:00Z")), at("2026-12-01T05:00:00Z"));
    }
}
