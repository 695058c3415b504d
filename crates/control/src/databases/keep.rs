//! Writing a dump into the platform's blobs and reading it back, a piece at a time: the size of a database never decides how
//! much memory is taken.

use std::io::{Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt};
use pluvio_model::id::BackupId;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::DatabaseEngine;
use pluvio_plan::database::is_whole;
use pluvio_runtime::{ExecOutput, ExecSession};
use pluvio_store::{BlobKey, KeptFile};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::inside::{Said, broke_off, keep_end};

/// Compressed pieces are handed on at this size.
const PIECE: usize = 64 * 1024;
/// So much of the end is looked at to tell whether it is whole.
const TAIL: usize = 1024;

/// What was brought may unpack to so many times its size. Dumps shrink to a tenth, and seldom to a fiftieth; gzip can pack
/// zeros a thousand times.
const UNPACKED_TIMES: u64 = 200;
/// What is not larger than this is read whatever it was.
const UNPACKED: u64 = 256 << 20;

pub(crate) fn key(id: BackupId) -> BlobKey {
    format!("backups/{id}").parse().expect("an id is a key")
}

/// What was found when a file was read from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub file: KeptFile,
    pub whole: bool,
}

/// A program's output, compressed as it comes. What it said, and its exit code, come by the second; a program that fails ends
/// the stream with an error, so that nothing is kept.
pub(crate) fn compressed(
    session: ExecSession,
    progress: impl Fn(u64) + Send + 'static,
) -> (
    impl Stream<Item = std::io::Result<Bytes>> + Send,
    tokio::sync::oneshot::Receiver<Result<Said, Problem>>,
) {
    let (pieces, stream) = mpsc::channel::<std::io::Result<Bytes>>(8);
    let (ended, end) = tokio::sync::oneshot::channel();
    let ExecSession { mut output, input } = session;
    tokio::spawn(async move {
        // Without its other end the program would be hung up on.
        let _open = input;
        let mut out = GzEncoder::new(Vec::with_capacity(PIECE * 2), Compression::new(5));
        let (mut err, mut plain) = (Vec::new(), 0_u64);
        let failed = || std::io::Error::other("the dump failed");
        let said = loop {
            match output.next().await {
                Some(ExecOutput::Out(bytes)) => {
                    plain += bytes.len() as u64;
                    if out.write_all(&bytes).is_err() {
                        break Err(broke_off());
                    }
                    progress(plain);
                    if out.get_ref().len() >= PIECE {
                        let piece = std::mem::replace(out.get_mut(), Vec::with_capacity(PIECE * 2));
                        if pieces.send(Ok(piece.into())).await.is_err() {
                            return;
                        }
                    }
                }
                Some(ExecOutput::Err(bytes)) => keep_end(&mut err, &bytes, 4096),
                Some(ExecOutput::Exit(code)) => {
                    break Ok(Said::apart_from_data(code, &err));
                }
                None => break Err(broke_off()),
            }
        };
        let good = matches!(&said, Ok(said) if said.code == 0);
        let rest = match (good, out.finish()) {
            (true, Ok(rest)) => Ok(rest.into()),
            _ => Err(failed()),
        };
        let _ = pieces.send(rest).await;
        let _ = ended.send(said);
    });
    (tokio_stream::wrappers::ReceiverStream::new(stream), end)
}

/// What somebody sends: kept as it is when it is compressed already, else compressed.
pub(crate) fn as_sent<S>(data: S) -> impl Stream<Item = std::io::Result<Bytes>> + Send
where
    S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
{
    let (pieces, stream) = mpsc::channel::<std::io::Result<Bytes>>(8);
    tokio::spawn(async move {
        let mut data = std::pin::pin!(data);
        let mut first = Vec::new();
        // Two bytes tell; they may come apart.
        while first.len() < 2 {
            match data.next().await {
                Some(Ok(bytes)) => first.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    let _ = pieces.send(Err(error)).await;
                    return;
                }
                None => break,
            }
        }
        let is_compressed = first.starts_with(&[0x1f, 0x8b]);
        let mut out = GzEncoder::new(Vec::with_capacity(PIECE * 2), Compression::new(5));
        let first = Ok(Bytes::from(first));
        let mut all = futures::stream::iter([first]).chain(data);
        while let Some(bytes) = all.next().await {
            let piece = match bytes {
                Ok(bytes) if is_compressed => Some(Ok(bytes)),
                Ok(bytes) => match out.write_all(&bytes) {
                    Ok(()) if out.get_ref().len() < PIECE => None,
                    Ok(()) => Some(Ok(std::mem::take(out.get_mut()).into())),
                    Err(error) => Some(Err(error)),
                },
                Err(error) => Some(Err(error)),
            };
            let Some(piece) = piece else { continue };
            let failed = piece.is_err();
            if pieces.send(piece).await.is_err() || failed {
                return;
            }
        }
        if !is_compressed {
            let _ = pieces.send(out.finish().map(Bytes::from)).await;
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(stream)
}

/// Reads a file from its beginning to its end: its checksum, its size before it was compressed, and whether it is a whole dump
/// of the engine. An error says why it cannot be read.
pub(crate) async fn check(path: PathBuf, engine: DatabaseEngine) -> Result<Checked, String> {
    let reading = tokio::task::spawn_blocking(move || read_through(&path, engine, false));
    reading.await.map_err(|error| error.to_string())?
}

/// As [`check`], of what somebody brought: a small file that unpacks to a disk full of zeros is read no further than that shows.
pub(crate) async fn check_brought(
    path: PathBuf,
    engine: DatabaseEngine,
) -> Result<Checked, String> {
    let reading = tokio::task::spawn_blocking(move || read_through(&path, engine, true));
    reading.await.map_err(|error| error.to_string())?
}

fn read_through(
    path: &std::path::Path,
    engine: DatabaseEngine,
    bounded: bool,
) -> Result<Checked, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut hashed = Hashed {
        file: std::io::BufReader::with_capacity(PIECE, file),
        hash: Sha256::new(),
        bytes: 0,
    };
    let (mut head, mut tail, mut plain) = (Vec::new(), Vec::new(), 0_u64);
    {
        let mut decoder = MultiGzDecoder::new(&mut hashed);
        let mut buffer = vec![0; PIECE];
        loop {
            let read = decoder
                .read(&mut buffer)
                .map_err(|error| error.to_string())?;
            if read == 0 {
                break;
            }
            plain += read as u64;
            if bounded && plain > UNPACKED && plain / UNPACKED_TIMES > decoder.get_ref().bytes {
                return Err(format!(
                    "it unpacks to more than {UNPACKED_TIMES} times its size, which no dump does"
                ));
            }
            if head.len() < TAIL {
                let wanted = (TAIL - head.len()).min(read);
                head.extend_from_slice(&buffer[..wanted]);
            }
            keep_end(&mut tail, &buffer[..read], TAIL);
        }
    }
    // What lies behind the compressed stream belongs to the checksum too.
    std::io::copy(&mut hashed, &mut std::io::sink()).map_err(|error| error.to_string())?;
    let from = tail.len().saturating_sub(TAIL);
    Ok(Checked {
        whole: is_whole(engine, &head, &tail[from..]),
        file: KeptFile {
            bytes: hashed.bytes,
            plain_bytes: plain,
            sha256: hex::encode(hashed.hash.finalize()),
        },
    })
}

struct Hashed<R> {
    file: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// The pieces of a kept file as they were before they were compressed.
pub(crate) fn plain(path: PathBuf) -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (pieces, stream) = mpsc::channel(8);
    tokio::task::spawn_blocking(move || {
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                let _ = pieces.blocking_send(Err(error));
                return;
            }
        };
        let mut decoder = MultiGzDecoder::new(std::io::BufReader::with_capacity(PIECE, file));
        loop {
            let mut buffer = vec![0; 16 * 1024];
            match decoder.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    buffer.truncate(read);
                    if pieces.blocking_send(Ok(buffer.into())).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let _ = pieces.blocking_send(Err(error));
                    return;
                }
            }
        }
    });
    stream
}

pub(crate) fn damaged(why: &str) -> Problem {
    problem::REFUSED.problem(
        format!("The backup cannot be used: {why}. Nothing was changed."),
        "Restore another one, and look at the disk of Pluvio's data folder.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn kept(data: Vec<Bytes>) -> tempfile::NamedTempFile {
        let data = futures::stream::iter(data.into_iter().map(Ok));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut pieces = std::pin::pin!(as_sent(data));
        while let Some(piece) = pieces.next().await {
            file.write_all(&piece.unwrap()).unwrap();
        }
        file
    }

    fn dump() -> Vec<u8> {
        let mut text = b"INSERT INTO t VALUES (1);\n".repeat(20_000);
        text.extend(b"--\n-- PostgreSQL database dump complete\n--\n");
        text
    }

    #[tokio::test]
    async fn what_is_sent_comes_back_whole_however_it_was_cut() {
        let text = dump();
        let pieces = text.chunks(777).map(Bytes::copy_from_slice).collect();
        let file = kept(pieces).await;
        let checked = check(file.path().to_owned(), DatabaseEngine::Postgres).await;
        let checked = checked.unwrap();
        assert!(checked.whole);
        assert_eq!(checked.file.plain_bytes, text.len() as u64);
        assert!(checked.file.bytes < text.len() as u64 / 10);
        let mut back = Vec::new();
        let mut pieces = plain(file.path().to_owned());
        while let Some(piece) = pieces.recv().await {
            back.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(back, text);

        // Compressed already, it is kept as it is.
        let bytes = std::fs::read(file.path()).unwrap();
        let again = kept(vec![
            Bytes::from(bytes[..1].to_vec()),
            Bytes::from(bytes[1..].to_vec()),
        ]);
        assert_eq!(std::fs::read(again.await.path()).unwrap(), bytes);
    }

    #[tokio::test]
    async fn what_unpacks_without_end_is_read_no_further() {
        let zeros = Bytes::from(vec![0; 1 << 20]);
        let file = kept(vec![zeros; 400]).await;
        let brought = check_brought(file.path().to_owned(), DatabaseEngine::Postgres).await;
        assert!(brought.unwrap_err().contains("200 times"));
        // One that Pluvio made itself is read to its end.
        let own = check(file.path().to_owned(), DatabaseEngine::Postgres).await;
        assert_eq!(own.unwrap().file.plain_bytes, 400 << 20);
        let good = kept(vec![Bytes::from(dump())]).await;
        let good = check_brought(good.path().to_owned(), DatabaseEngine::Postgres).await;
        assert!(good.unwrap().whole);
    }

    #[tokio::test]
    async fn what_was_cut_off_or_altered_is_told() {
        let file = kept(vec![Bytes::from(dump())]).await;
        let bytes = std::fs::read(file.path()).unwrap();
        std::fs::write(file.path(), &bytes[..bytes.len() / 2]).unwrap();
        let cut = check(file.path().to_owned(), DatabaseEngine::Postgres).await;
        assert!(cut.is_err(), "{cut:?}");
        let mut altered = bytes.clone();
        let middle = altered.len() / 2;
        altered[middle] ^= 0xff;
        std::fs::write(file.path(), &altered).unwrap();
        let altered = check(file.path().to_owned(), DatabaseEngine::Postgres).await;
        assert!(altered.is_err(), "{altered:?}");
        let other = kept(vec![Bytes::from_static(b"SELECT 1;\n")]).await;
        let other = check(other.path().to_owned(), DatabaseEngine::Postgres).await;
        assert!(!other.unwrap().whole);
    }
}
