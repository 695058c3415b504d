//! The access log: one line for each request.
//!
//! A line is formatted into the worker's own buffer, which goes to a writing thread when it is full or a second old. Requests
//! never wait for the disk: if it does not keep up, whole buffers are dropped and counted.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, header};

use crate::{client::Client, config::AccessLog, refusal::Refusal};

/// A worker's buffer is handed over when it holds this much.
const BUFFER: usize = 32 * 1024;
/// Buffers that may wait for the disk, over all workers: 2 MiB.
const WAITING: usize = 64;

/// One request, at its end.
pub(crate) struct Line<'a> {
    pub(crate) client: &'a Client,
    pub(crate) parts: &'a http::request::Parts,
    pub(crate) status: u16,
    pub(crate) complete: bool,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// To the last byte of the answer.
    pub(crate) duration: Duration,
    pub(crate) application: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
    pub(crate) instance: Option<&'a str>,
    pub(crate) refusal: Option<Refusal>,
}

/// Where workers hand over what they have buffered.
pub(crate) struct Log {
    /// None once it is closed.
    sender: Mutex<Option<SyncSender<Vec<u8>>>>,
    off: bool,
    lost: AtomicU64,
}

/// The thread that writes.
pub(crate) struct Writer(Option<JoinHandle<()>>);

impl Log {
    pub(crate) fn open(config: &AccessLog) -> io::Result<(Arc<Log>, Writer)> {
        let (sender, thread) = match config {
            AccessLog::Off => (None, None),
            AccessLog::File {
                path,
                rotate_bytes,
                keep,
            } => {
                let mut file = Rotating::open(path.clone(), *rotate_bytes, *keep)?;
                let (sender, receiver) = sync_channel(WAITING);
                let thread = std::thread::Builder::new()
                    .name("gateway-log".into())
                    .spawn(move || file.write_all_from(&receiver))?;
                (Some(sender), Some(thread))
            }
        };
        let log = Arc::new(Log {
            off: sender.is_none(),
            sender: Mutex::new(sender),
            lost: AtomicU64::new(0),
        });
        Ok((log, Writer(thread)))
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn is_off(&self) -> bool {
        self.off
    }

    /// Lets the writer end once it has written what was handed over.
    pub(crate) fn close(&self) {
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn hand_over(&self, lines: Vec<u8>) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match &*sender {
            Some(sender) => match sender.try_send(lines) {
                Ok(()) => return,
                Err(TrySendError::Full(lines) | TrySendError::Disconnected(lines)) => lines,
            },
            None => lines,
        };
        let count = refused.iter().filter(|byte| **byte == b'\n').count();
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Writer {
    /// Waits until everything handed over is written. The [`Log`] must be closed by then.
    pub(crate) fn finish(mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// A worker's part of the log.
pub(crate) struct LogBuffer {
    log: Arc<Log>,
    state: Mutex<BufferState>,
}

#[derive(Default)]
struct BufferState {
    lines: Vec<u8>,
    /// The second that `time` shows.
    second: u64,
    time: String,
}

impl LogBuffer {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        LogBuffer {
            log,
            state: Mutex::default(),
        }
    }

    pub(crate) fn put(&self, line: &Line<'_>) {
        if self.log.is_off() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.put(line);
        if state.lines.len() >= BUFFER {
            let lines = std::mem::replace(&mut state.lines, Vec::with_capacity(BUFFER + 1024));
            self.log.hand_over(lines);
        }
    }

    pub(crate) fn flush(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.lines.is_empty() {
            self.log.hand_over(std::mem::take(&mut state.lines));
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

impl BufferState {
    fn put(&mut self, line: &Line<'_>) {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        if self.second != since.as_secs() || self.time.is_empty() {
            self.second = since.as_secs();
            self.time = i64::try_from(self.second)
                .ok()
                .and_then(|second| jiff::Timestamp::from_second(second).ok())
                .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
                .unwrap_or_default();
        }
        let out = &mut self.lines;
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(self.time.as_bytes());
        out.push(b'.');
        put_padded(out, u64::from(since.subsec_millis()));
        out.extend_from_slice(b"Z\",\"client\":\"");
        out.extend_from_slice(line.client.shown_address().as_bytes());
        out.push(b'"');
        let parts = line.parts;
        put_text(out, "method", parts.method.as_str().as_bytes());
        let host = match parts.uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => parts.headers.get(header::HOST).map(|host| host.as_bytes()),
        };
        put_text(out, "host", host.unwrap_or_default());
        // What comes after the question mark may be a key, a code to sign in with, an address: not for a file.
        let path = parts.uri.path_and_query();
        put_text(
            out,
            "path",
            path.map_or(b"*", |path| path.path().as_bytes()),
        );
        if path.is_some_and(|path| path.query().is_some()) {
            put_key(out, "query");
            out.extend_from_slice(b"true");
        }
        let version: &[u8] = match parts.version {
            http::Version::HTTP_2 => b"2",
            http::Version::HTTP_10 => b"1.0",
            _ => b"1.1",
        };
        put_text(out, "http", version);
        put_number(out, "status", u64::from(line.status));
        put_number(out, "sent", line.sent);
        if line.received > 0 {
            put_number(out, "received", line.received);
        }
        let micros = line.duration.as_micros() as u64;
        put_number(out, "ms", micros / 1000);
        out.push(b'.');
        put_padded(out, micros % 1000);
        if !line.complete {
            out.extend_from_slice(b",\"aborted\":true");
        }
        for (name, value) in [
            ("application", line.application),
            ("route", line.route),
            ("instance", line.instance),
            ("code", line.refusal.map(|refusal| refusal.code().code)),
        ] {
            if let Some(value) = value {
                put_text(out, name, value.as_bytes());
            }
        }
        put_header(out, "agent", &parts.headers, &header::USER_AGENT);
        put_header(out, "referer", &parts.headers, &header::REFERER);
        out.extend_from_slice(b"}\n");
    }
}

fn put_header(out: &mut Vec<u8>, key: &str, headers: &HeaderMap, name: &HeaderName) {
    if let Some(value) = headers.get(name) {
        put_text(out, key, value.as_bytes());
    }
}

fn put_key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn put_number(out: &mut Vec<u8>, key: &str, mut number: u64) {
    put_key(out, key);
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Three digits.
fn put_padded(out: &mut Vec<u8>, number: u64) {
    for divisor in [100, 10, 1] {
        out.push(b'0' + (number / divisor % 10) as u8);
    }
}

/// A JSON string. Bytes that are not plain ASCII are written as escapes, byte by byte (as Latin-1), so that no input can break
/// a line or the document.
fn put_text(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    put_key(out, key);
    out.push(b'"');
    let is_plain = |byte: &u8| matches!(byte, 0x20..=0x7e) && *byte != b'"' && *byte != b'\\';
    if value.iter().all(is_plain) {
        out.extend_from_slice(value);
    } else {
        for byte in value {
            if is_plain(byte) {
                out.push(*byte);
            } else {
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            }
        }
    }
    out.push(b'"');
}

/// A file that is set aside as `NAME.1` (`.2` …) when it has grown so large.
struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    rotate_bytes: u64,
    keep: u32,
}

impl Rotating {
    fn open(path: PathBuf, rotate_bytes: u64, keep: u32) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = append(&path)?;
        Ok(Rotating {
            size: file.metadata()?.len(),
            path,
            file,
            rotate_bytes,
            keep,
        })
    }

    /// Writes until every sender is gone.
    fn write_all_from(&mut self, receiver: &Receiver<Vec<u8>>) {
        let mut failing = false;
        for lines in receiver {
            match self.write(&lines) {
                Ok(()) => failing = false,
                // Told once for each spell: a full disk would otherwise fill the other log.
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, path = %self.path.display(), "cannot write the access log");
                }
                Err(_) => {}
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size + lines.len() as u64 > self.rotate_bytes {
            self.rotate()?;
        }
        self.file.write_all(lines)?;
        self.size += lines.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            let (from, to) = (self.numbered(number), self.numbered(number + 1));
            if from.exists() {
                std::fs::rename(from, to)?;
            }
        }
        if self.keep == 0 {
            std::fs::remove_file(&self.path)?;
        } else {
            std::fs::rename(&self.path, self.numbered(1))?;
        }
        self.file = append(&self.path)?;
        self.size = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grows_is_set_aside_and_old_parts_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/access.log");
        let mut file = Rotating::open(path.clone(), 10, 2).unwrap();
        for text in ["aaaaaaaa\n", "bbbbbbbb\n", "cccccccc\n", "dddddddd\n"] {
            file.write(text.as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join("logs").join(name));
        assert_eq!(read("access.log").unwrap(), "dddddddd\n");
        assert_eq!(read("access.log.1").unwrap(), "cccccccc\n");
        assert_eq!(read("access.log.2").unwrap(), "bbbbbbbb\n");
        assert!(read("access.log.3").is_err());
    }

    #[test]
    fn no_value_can_break_a_line() {
        let mut out = b"{\"a\":1".to_vec();
        put_text(&mut out, "path", b"/x\"\\\n\xff\0y");
        put_number(&mut out, "n", 1_234_567_890);
        out.push(b'}');
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["path"], "/x\"\\\n\u{ff}\0y");
        assert_eq!(value["n"], 1_234_567_890);
    }
}
