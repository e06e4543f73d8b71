//! Counters: what was used in the current window of each limit.

use super::{Db, Result};

/// A counter as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MeterRow {
    /// The id of the meter.
    pub id: String,
    /// Start of the window, Unix seconds.
    pub window_start: i64,
    /// Used in the window.
    pub used: i64,
}

/// What to add to a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterDelta {
    /// The id of the meter.
    pub id: String,
    /// Start of the window in which it was used, Unix seconds.
    pub window_start: i64,
    /// Used since the last flush; negative gives back.
    pub amount: i64,
}

impl Db {
    /// Every counter.
    pub async fn load_meters(&self) -> Result<Vec<MeterRow>> {
        let sql = "select id, window_start, used from meters order by id";
        Ok(sqlx::query_as(sql).fetch_all(&self.reader).await?)
    }

    /// Adds all of `deltas` or none: in the window that is stored it adds, a later window begins
    /// anew with the amount, an earlier one is over and ignored.
    pub async fn add_meters(&self, deltas: &[MeterDelta]) -> Result<()> {
        let mut transaction = self.writer.begin().await?;
        for delta in deltas {
            sqlx::query(ADD)
                .bind(&delta.id)
                .bind(delta.window_start)
                .bind(delta.amount)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets counters.
    pub async fn delete_meters(&self, ids: &[String]) -> Result<()> {
        let mut transaction = self.writer.begin().await?;
        for id in ids {
            let sql = "delete from meters where id = $1";
            sqlx::query(sql).bind(id).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

const ADD: &str = "
    insert into meters (id, window_start, used) values ($1, $2, $3)
    on conflict (id) do update set
        used = excluded.used
            + case when excluded.window_start = meters.window_start then meters.used else 0 end,
        window_start = excluded.window_start
    where excluded.window_start >= meters.window_start";

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(window_start: i64, amount: i64) -> MeterDelta {
        MeterDelta { id: "b".to_owned(), window_start, amount }
    }

    #[tokio::test]
    async fn a_window_adds_up_a_later_one_begins_anew_and_an_earlier_one_is_over() {
        let db = Db::memory().await.unwrap();
        db.add_meters(&[delta(100, 5), delta(100, 7)]).await.unwrap();
        let row = |window_start, used| MeterRow { id: "b".to_owned(), window_start, used };
        assert_eq!(db.load_meters().await.unwrap(), [row(100, 12)]);
        db.add_meters(&[delta(200, 3), delta(100, 50), delta(200, -1)]).await.unwrap();
        assert_eq!(db.load_meters().await.unwrap(), [row(200, 2)]);
        db.delete_meters(&["b".to_owned()]).await.unwrap();
        assert_eq!(db.load_meters().await.unwrap(), []);
    }
}
