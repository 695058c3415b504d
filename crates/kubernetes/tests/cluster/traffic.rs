//! Requests as a strict client sends them, and load that counts what fails.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(35);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    closes: bool,
}

/// A connection that is used again and again; one that is closed without a word is an error.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Connection, String> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE);
        let stream = stream.map_err(|error| format!("connect: {error}"))?;
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(PATIENCE));
        Ok(Connection(BufReader::new(stream)))
    }

    pub(crate) fn get(&mut self, host: &str, path: &str) -> Result<Answer, String> {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes())?;
        let (status, headers) = self.head()?;
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let length: usize = header("content-length").parse().map_err(|_| "no length")?;
        let mut body = vec![0; length];
        let read = self.0.read_exact(&mut body);
        read.map_err(|error| format!("body: {error}"))?;
        Ok(Answer {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
            closes: header("connection").contains("close"),
        })
    }

    /// From here on bytes go both ways.
    pub(crate) fn upgrade(&mut self, host: &str) -> Result<u16, String> {
        let head = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        self.write(format!("GET /tunnel HTTP/1.1\r\nhost: {host}\r\n{head}\r\n").as_bytes())?;
        Ok(self.head()?.0)
    }

    /// What comes back of what is sent into a tunnel.
    pub(crate) fn echo(&mut self, text: &str) -> Result<String, String> {
        self.write(format!("{text}\n").as_bytes())?;
        self.line()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.0.get_mut().write_all(bytes);
        written.map_err(|error| format!("write: {error}"))
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => Err("closed without an answer".to_owned()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(format!("read: {error}")),
        }
    }

    fn head(&mut self) -> Result<(u16, BTreeMap<String, String>), String> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| format!("no status: {first:?}"))?;
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                _ if line.is_empty() => return Ok((status, headers)),
                Some((name, value)) => {
                    headers.insert(name.to_ascii_lowercase(), value.trim().to_ascii_lowercase())
                }
                None => None,
            };
        }
    }
}

pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> Result<Answer, String> {
    Connection::open(address)?.get(host, path)
}

#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) served: u64,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) bodies: BTreeMap<String, u64>,
}

/// Load under way.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Counted>>,
}

impl Load {
    /// `kept` connections each send their next request when they have an answer; `fresh` open a new one each time.
    pub(crate) fn begin(
        address: SocketAddr,
        (host, path): (&str, &str),
        kept: usize,
        fresh: usize,
    ) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let began = Instant::now();
        let threads = (0..kept + fresh).map(|number| {
            let (stop, host, path) = (stop.clone(), host.to_owned(), path.to_owned());
            std::thread::spawn(move || {
                let mut counted = Counted::default();
                let mut open: Option<Connection> = None;
                while !stop.load(Ordering::Relaxed) {
                    let connection = open.take().map_or_else(|| Connection::open(address), Ok);
                    let outcome = connection.and_then(|mut connection| {
                        let answer = connection.get(&host, &path)?;
                        if number < kept && !answer.closes {
                            open = Some(connection);
                        }
                        Ok(answer)
                    });
                    let failure = match outcome {
                        Ok(answer) if answer.status == 200 => {
                            counted.served += 1;
                            *counted.bodies.entry(answer.body).or_default() += 1;
                            None
                        }
                        Ok(answer) => Some(format!("{}: {}", answer.status, answer.body)),
                        Err(error) => Some(error),
                    };
                    if let Some(failure) = failure {
                        eprintln!("{:.1} s: {failure}", began.elapsed().as_secs_f32());
                        *counted.failures.entry(failure).or_default() += 1;
                    }
                    // Leaves the machine to those that are measured.
                    std::thread::sleep(Duration::from_millis(if number < kept { 5 } else { 25 }));
                }
                counted
            })
        });
        let threads = threads.collect();
        Load { stop, threads }
    }

    pub(crate) fn end(self) -> Counted {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Counted::default();
        for thread in self.threads {
            let one = thread.join().expect("a load thread");
            all.served += one.served;
            for (into, from) in [
                (&mut all.failures, one.failures),
                (&mut all.bodies, one.bodies),
            ] {
                for (what, count) in from {
                    *into.entry(what).or_default() += count;
                }
            }
        }
        all
    }
}
