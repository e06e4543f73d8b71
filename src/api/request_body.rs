//! The body of a request, in one piece and as the client meant it.

use crate::llm::{Failure, FailureKind, Source};
use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;
use std::io::{self, Read};
use std::sync::LazyLock;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// A client that sends nothing of its body for so long has gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// A body has this long from its first byte to its last: 100 MB at 3 Mbit/s. Without it a byte a
/// minute would hold a connection and what has been read for ever.
const WHOLE: Duration = Duration::from_secs(300);
/// Bodies that are decoded at once: as many as there are cores, as each may take
/// `client.max_request_body_size_mb` of memory.
static DECODERS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));
/// How much the decoders read at once, in bytes.
const DECODER_BUFFER: usize = 16 * 1024;

/// A compression that is understood (contract 1.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Reads a body of at most `limit` bytes; of a compressed one neither what is sent nor what it stands
/// for may be longer.
///
/// # Errors
/// 413 for a longer one, 415 for a compression that is not understood, 400 for one that is broken, 408
/// when nothing comes for 60 s or when it is not complete after 5 minutes.
pub(super) async fn read_body<B>(
    headers: &HeaderMap,
    body: B,
    limit: usize,
) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let encoding = headers.get(header::CONTENT_ENCODING);
    let encoding = encoding.map(|value| encoding_of(value.as_bytes())).transpose()?.flatten();
    let body = read(body, announced, limit).await?;
    match encoding {
        None => Ok(body),
        Some(encoding) => decode_aside(encoding, body, limit).await,
    }
}

async fn read<B>(mut body: B, announced: Option<usize>, limit: usize) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let end = Instant::now() + WHOLE;
    loop {
        let until = end.min(Instant::now() + PATIENCE);
        let frame = timeout_at(until, body.frame()).await;
        let Some(frame) = frame.map_err(|_| too_slow(until == end))? else { break };
        let frame = frame.map_err(|_| gone())?;
        let Ok(data) = frame.into_data() else { continue };
        let Some(bytes) = &first else {
            first = Some(data);
            continue;
        };
        if rest.is_empty() {
            rest.reserve(announced.unwrap_or(bytes.len() + data.len()).min(limit));
            rest.extend_from_slice(bytes);
        }
        rest.extend_from_slice(&data);
        if rest.len() > limit {
            return Err(too_large(limit));
        }
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
}

/// The compression that a header names; `None` is none.
fn encoding_of(name: &[u8]) -> Result<Option<Encoding>, Failure> {
    let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
    match name.as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Encoding::Gzip)),
        "deflate" => Ok(Some(Encoding::Deflate)),
        "br" => Ok(Some(Encoding::Brotli)),
        "zstd" => Ok(Some(Encoding::Zstd)),
        _ => {
            let message = format!(
                "content-encoding: '{name}' is not understood; use gzip, deflate, br or zstd, or \
                 send the body as it is"
            );
            Err(Failure::invalid(message).with_status(415).with_code("unsupported_encoding"))
        }
    }
}

/// Decodes where it holds nobody up.
async fn decode_aside(encoding: Encoding, body: Bytes, limit: usize) -> Result<Bytes, Failure> {
    // Held by the thread: it goes on when the client has gone.
    let place = DECODERS.acquire().await;
    let decode = move || {
        let _place = place;
        decode(encoding, &body, limit)
    };
    let decoded = tokio::task::spawn_blocking(decode).await;
    let decoded = decoded.unwrap_or_else(|error| Err(io::Error::other(error)));
    match decoded {
        Ok(decoded) if decoded.len() > limit => Err(too_large(limit)),
        Ok(decoded) => Ok(decoded.into()),
        Err(error) => {
            let message = format!("the compressed request body cannot be read: {error}");
            Err(Failure::invalid(message).with_code("invalid_encoding"))
        }
    }
}

/// What `body` stands for, up to one byte more than `limit`.
fn decode(encoding: Encoding, body: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let read = |decoder: &mut dyn Read| {
        let mut decoded = Vec::with_capacity(body.len().saturating_mul(3).min(limit));
        decoder.take(limit as u64 + 1).read_to_end(&mut decoded)?;
        Ok(decoded)
    };
    match encoding {
        Encoding::Gzip => read(&mut MultiGzDecoder::new(body)),
        Encoding::Deflate if has_zlib_header(body) => read(&mut ZlibDecoder::new(body)),
        // Some clients leave the header away.
        Encoding::Deflate => read(&mut DeflateDecoder::new(body)),
        Encoding::Brotli => read(&mut brotli_decompressor::Decompressor::new(body, DECODER_BUFFER)),
        Encoding::Zstd => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(body);
            read(&mut decoder.map_err(io::Error::other)?)
        }
    }
}

/// RFC 1950: the method is 8, and the first two bytes are a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    let [first, second, ..] = body else { return false };
    first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0
}

fn too_large(limit: usize) -> Failure {
    let message = format!(
        "the request body is larger than {} MiB (client.max_request_body_size_mb)",
        limit / (1024 * 1024)
    );
    Failure::new(Source::Client, FailureKind::RequestTooLarge, message)
}

fn gone() -> Failure {
    let message = "the client went away before its request was complete";
    Failure::new(Source::Client, FailureKind::Cancelled, message)
}

fn too_slow(at_end: bool) -> Failure {
    let message = match at_end {
        true => format!("the request body was not complete after {} s", WHOLE.as_secs()),
        false => format!("nothing of the request body came for {} s", PATIENCE.as_secs()),
    };
    Failure::new(Source::Client, FailureKind::Timeout, message)
        .with_status(408)
        .with_code("request_timeout")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};
    use std::io::Write;

    const TEXT: &[u8] = br#"{"model":"openai/gpt-4o-mini","messages":[]}"#;
    /// [`TEXT`], by the reference implementations.
    const BROTLI: &[u8] = &[
        27, 43, 0, 248, 5, 254, 243, 150, 250, 203, 119, 187, 114, 73, 170, 38, 72, 246, 3, 4, 205,
        52, 32, 147, 104, 226, 144, 46, 225, 133, 33, 90, 225, 163, 40, 240, 93, 49, 206, 245, 220,
        62, 181, 132, 177, 176, 218, 62,
    ];
    const ZSTD: &[u8] = &[
        40, 181, 47, 253, 4, 104, 97, 1, 0, 123, 34, 109, 111, 100, 101, 108, 34, 58, 34, 111, 112,
        101, 110, 97, 105, 47, 103, 112, 116, 45, 52, 111, 45, 109, 105, 110, 105, 34, 44, 34, 109,
        101, 115, 115, 97, 103, 101, 115, 34, 58, 91, 93, 125, 12, 204, 185, 225,
    ];

    async fn read_as(encoding: &str, body: Vec<u8>, limit: usize) -> Result<Bytes, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        read_body(&headers, Full::new(Bytes::from(body)), limit).await
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn every_compression_of_the_contract_is_read() {
        let best = flate2::Compression::best();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), best);
        zlib.write_all(TEXT).unwrap();
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), best);
        deflate.write_all(TEXT).unwrap();
        for (encoding, body) in [
            ("gzip", gzip(TEXT)),
            ("GZIP", gzip(TEXT)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", deflate.finish().unwrap()),
            ("br", BROTLI.to_vec()),
            ("zstd", ZSTD.to_vec()),
            ("identity", TEXT.to_vec()),
        ] {
            assert_eq!(read_as(encoding, body, 1000).await.unwrap(), TEXT, "{encoding}");
        }
    }

    #[tokio::test]
    async fn the_limit_counts_what_a_body_stands_for() {
        let bomb = gzip(&vec![b' '; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(read_as("gzip", bomb, 1_000_000).await.unwrap_err().status, 413);
        assert_eq!(read_as("gzip", TEXT.to_vec(), 1000).await.unwrap_err().status, 400);
        assert_eq!(read_as("zstd", gzip(TEXT), 1000).await.unwrap_err().status, 400);
        assert_eq!(read_as("br", vec![255; 40], 1000).await.unwrap_err().status, 400);
        assert_eq!(read_as("compress", TEXT.to_vec(), 1000).await.unwrap_err().status, 415);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_go_on_is_given_up() {
        let started = tokio::time::Instant::now();
        let begun = futures_util::stream::once(async {
            Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"{")))
        });
        let endless = futures_util::stream::pending();
        let body = StreamBody::new(futures_util::StreamExt::chain(begun, endless));
        let failure = read_body(&HeaderMap::new(), Box::pin(body), 1000).await.unwrap_err();
        assert_eq!((failure.status, started.elapsed().as_secs()), (408, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        let started = Instant::now();
        let pieces = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(59)).await;
            let piece = http_body::Frame::data(Bytes::from_static(b" "));
            Some((Ok::<_, std::io::Error>(piece), ()))
        });
        let body = Box::pin(StreamBody::new(pieces));
        let failure = read_body(&HeaderMap::new(), body, 1000).await.unwrap_err();
        assert_eq!((failure.status, started.elapsed().as_secs()), (408, 300));
        assert!(failure.message.contains("not complete after 300 s"), "{}", failure.message);
    }

    #[tokio::test]
    async fn no_more_bodies_are_decoded_at_once_than_there_are_cores() {
        let cores = available_parallelism().unwrap().get();
        let all = DECODERS.acquire_many(u32::try_from(cores).unwrap()).await.unwrap();
        let mut waiting = Box::pin(read_as("gzip", gzip(TEXT), 1000));
        let soon = Duration::from_millis(200);
        assert!(tokio::time::timeout(soon, waiting.as_mut()).await.is_err());
        assert_eq!(read_as("identity", TEXT.to_vec(), 1000).await.unwrap(), TEXT);
        drop(all);
        assert_eq!(waiting.await.unwrap(), TEXT);
    }
}
