//! Load that counts what fails. A closed loop keeps some connections busy; an open loop sends at a rate whatever comes
//! back, each request on a connection of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::http::Connection;

/// How long an answer may take; requests that are held count as served when they are answered.
const PATIENCE: Duration = Duration::from_secs(35);

#[derive(Debug, Default, Clone)]
pub struct Counted {
    pub served: u64,
    pub failed: u64,
    /// Each kind of failure with how often it was seen.
    pub failures: BTreeMap<String, u64>,
    /// Each first line of an answer's body with how often it was seen.
    pub bodies: BTreeMap<String, u64>,
    pub slowest: Duration,
}

impl Counted {
    fn add(&mut self, outcome: Result<crate::http::Reply, String>, took: Duration) {
        self.slowest = self.slowest.max(took);
        let failure = match outcome {
            Ok(reply) if reply.status == 200 => {
                self.served += 1;
                let line = reply.body.lines().next().unwrap_or_default().to_owned();
                *self.bodies.entry(line).or_default() += 1;
                return;
            }
            Ok(reply) => format!(
                "status {}: {}",
                reply.status,
                reply.body.lines().next().unwrap_or_default()
            ),
            Err(error) => error,
        };
        self.failed += 1;
        *self.failures.entry(failure).or_default() += 1;
    }

    pub fn plus(mut self, other: Counted) -> Counted {
        self.served += other.served;
        self.failed += other.failed;
        for (into, from) in [
            (&mut self.failures, other.failures),
            (&mut self.bodies, other.bodies),
        ] {
            for (what, count) in from {
                *into.entry(what).or_default() += count;
            }
        }
        self.slowest = self.slowest.max(other.slowest);
        self
    }
}

/// Load under way.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Counted>>,
}

impl Load {
    /// Ends it and tells what it counted.
    pub fn end(mut self) -> Counted {
        self.stop.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut self.threads);
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a load thread"))
            .fold(Counted::default(), Counted::plus)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// `connections` keep-alive connections, each sending its next request when it has its answer. A connection that the
/// server closes without having said so is a failure.
pub fn closed(port: u16, host: &str, path: &str, connections: usize) -> Load {
    run(connections, {
        let (host, path) = (host.to_owned(), path.to_owned());
        move |_, stop| {
            let mut counted = Counted::default();
            let mut connection: Option<Connection> = None;
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                let outcome = match connection.take() {
                    Some(open) => Ok(open),
                    None => Connection::open(port, PATIENCE),
                }
                .and_then(|mut open| {
                    let reply = open.get(&host, &path)?;
                    if !reply.closes {
                        connection = Some(open);
                    }
                    Ok(reply)
                });
                counted.add(outcome, began.elapsed());
                // Leaves the machine's two cores to those that are measured.
                std::thread::sleep(Duration::from_millis(4));
            }
            counted
        }
    })
}

/// `per_second` requests, by 24 senders that take turns.
pub fn open(port: u16, host: &str, path: &str, per_second: u32) -> Load {
    const SENDERS: usize = 24;
    let began = Instant::now();
    run(SENDERS, {
        let (host, path) = (host.to_owned(), path.to_owned());
        move |sender, stop| {
            let mut counted = Counted::default();
            for turn in (sender..).step_by(SENDERS) {
                let due = began + Duration::from_secs_f64(turn as f64 / f64::from(per_second));
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let sent = Instant::now();
                let outcome = Connection::open(port, PATIENCE)
                    .and_then(|mut connection| connection.get(&host, &path));
                counted.add(outcome, sent.elapsed());
            }
            counted
        }
    })
}

fn run(
    threads: usize,
    work: impl Fn(usize, &AtomicBool) -> Counted + Clone + Send + 'static,
) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let threads = (0..threads)
        .map(|number| {
            let (stop, work) = (stop.clone(), work.clone());
            std::thread::spawn(move || work(number, &stop))
        })
        .collect();
    Load { stop, threads }
}
