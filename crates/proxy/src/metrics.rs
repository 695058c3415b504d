//! Traffic, counted where it passes and summed up where somebody looks.
//!
//! A request adds to a few counters of its route and of its backend. Rates and percentiles of the last minute are differences
//! between the counters now and a minute ago; a worker keeps the samples in between for series that have traffic.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use pluvio_model::route::{ApplicationKey, BackendId, RouteId};
use serde::Serialize;

/// How often series are sampled; the last minute is known to this.
pub(crate) const SAMPLE: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

/// Latencies up to 64 µs share the first bucket; then each power of two has four, to two minutes and beyond.
const FIRST_BITS: u32 = 6;
const OCTAVES: usize = 21;
const BUCKETS: usize = 1 + OCTAVES * 4;

fn bucket(latency: Duration) -> usize {
    let micros = latency.as_micros().min(u128::from(u64::MAX)) as u64;
    if micros < 1 << FIRST_BITS {
        return 0;
    }
    let octave = micros.ilog2();
    let quarter = (micros >> (octave - 2)) & 3;
    (1 + (octave - FIRST_BITS) as usize * 4 + quarter as usize).min(BUCKETS - 1)
}

/// The latencies a bucket ends before.
fn bucket_end(index: usize) -> Duration {
    let steps = index as u64;
    Duration::from_micros(match steps.checked_sub(1) {
        None => 1 << FIRST_BITS,
        Some(steps) => (1 << (FIRST_BITS as u64 + steps / 4)) / 4 * (5 + steps % 4),
    })
}

/// The counters of one route or backend. Empty until its first request.
#[derive(Debug, Default)]
pub(crate) struct Series {
    counters: OnceLock<Box<Counters>>,
    /// The last minute, oldest first.
    samples: Mutex<VecDeque<(Instant, Totals)>>,
}

#[derive(Debug)]
struct Counters {
    /// By the first digit of the status; 0 counts requests that ended before their answer did.
    classes: [AtomicU64; 6],
    received: AtomicU64,
    sent: AtomicU64,
    active: AtomicU64,
    latencies: [AtomicU64; BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            classes: Default::default(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            active: AtomicU64::new(0),
            latencies: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

/// What one request adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) status: u16,
    pub(crate) complete: bool,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// To the head of the answer: streams and tunnels may last for hours without anything being slow.
    pub(crate) latency: Duration,
}

impl Series {
    fn counters(&self) -> &Counters {
        self.counters.get_or_init(Box::default)
    }

    pub(crate) fn begin(&self) {
        self.counters().active.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, passed: Passed) {
        let counters = self.counters();
        let class = if passed.complete {
            usize::from(passed.status / 100).min(5)
        } else {
            0
        };
        counters.classes[class].fetch_add(1, Ordering::Relaxed);
        if passed.received > 0 {
            counters
                .received
                .fetch_add(passed.received, Ordering::Relaxed);
        }
        counters.sent.fetch_add(passed.sent, Ordering::Relaxed);
        counters.latencies[bucket(passed.latency)].fetch_add(1, Ordering::Relaxed);
        counters.active.fetch_sub(1, Ordering::Relaxed);
    }

    fn totals(&self) -> Option<Totals> {
        let counters = self.counters.get()?;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Some(Totals {
            classes: std::array::from_fn(|class| read(&counters.classes[class])),
            received: read(&counters.received),
            sent: read(&counters.sent),
            active: read(&counters.active),
            latencies: counters.latencies.iter().map(read).collect(),
        })
    }

    /// Remembers the counters as they are now, for the last minute's sake.
    pub(crate) fn sample(&self, now: Instant) {
        let Some(counters) = self.counters.get() else {
            return;
        };
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let requests: u64 = counters
            .classes
            .iter()
            .map(|class| class.load(Ordering::Relaxed))
            .sum();
        if samples.len() == 1 && samples[0].1.requests() == requests {
            // Silent for longer than a minute: one sample says it all.
            samples[0].0 = now;
            return;
        }
        if samples.is_empty() {
            // What came before the first sample counts for the minute too.
            let before = now.checked_sub(SAMPLE).unwrap_or(now);
            samples.push_back((before, Totals::default()));
        }
        samples.extend(self.totals().map(|totals| (now, totals)));
        while samples.len() > 1 && now.duration_since(samples[1].0) >= MINUTE {
            samples.pop_front();
        }
        if samples.len() > 1 && samples[0].1.requests() == requests {
            samples.drain(1..);
            samples[0].0 = now;
        }
    }

    /// None before the first request.
    fn traffic(&self, started: Instant, now: Instant) -> Option<Traffic> {
        let totals = self.totals()?;
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let base = samples
            .iter()
            .find(|(at, _)| now.duration_since(*at) <= MINUTE + SAMPLE);
        let last_minute = match base {
            Some((at, base)) => totals.since(base, now.duration_since(*at)),
            None => totals.since(&Totals::default(), now.duration_since(started).min(MINUTE)),
        };
        Some(Traffic {
            totals,
            last_minute,
        })
    }
}

/// Everything counted since the gateway started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Requests by the first digit of their status (`[1]` = 1xx … `[5]` = 5xx); `[0]`: those that ended before their answer did.
    pub classes: [u64; 6],
    /// Bytes of request bodies.
    pub received: u64,
    /// Bytes of answers' bodies. Tunnels count in both.
    pub sent: u64,
    /// Requests in flight now.
    pub active: u64,
    latencies: Vec<u64>,
}

impl Totals {
    pub fn requests(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// Requests whose answer began within each of these times, as cumulative counts (what a Prometheus histogram holds).
    pub fn latency_buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.latencies
            .iter()
            .enumerate()
            .scan(0, |sum, (index, count)| {
                *sum += count;
                Some((bucket_end(index), *sum))
            })
    }

    /// The latency that so many of a hundred requests stayed below, to within an eighth. None without requests.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let all: u64 = self.latencies.iter().sum();
        if all == 0 {
            return None;
        }
        let wanted = (all as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (index, count) in self.latencies.iter().enumerate() {
            if sum + count >= wanted {
                let start = index.checked_sub(1).map_or(Duration::ZERO, bucket_end);
                let inside = (wanted - sum) as f64 / *count as f64;
                return Some(start + (bucket_end(index) - start).mul_f64(inside));
            }
            sum += count;
        }
        None
    }

    fn since(&self, base: &Totals, span: Duration) -> LastMinute {
        let difference = Totals {
            classes: std::array::from_fn(|class| self.classes[class] - base.classes[class]),
            received: self.received - base.received,
            sent: self.sent - base.sent,
            active: self.active,
            latencies: self
                .latencies
                .iter()
                .enumerate()
                .map(|(index, count)| count - base.latencies.get(index).copied().unwrap_or(0))
                .collect(),
        };
        let seconds = span.as_secs_f64().max(1.0);
        LastMinute {
            requests_per_second: difference.requests() as f64 / seconds,
            server_errors_per_second: difference.classes[5] as f64 / seconds,
            client_errors_per_second: difference.classes[4] as f64 / seconds,
            sent_per_second: difference.sent as f64 / seconds,
            p50: difference.percentile(50.0),
            p95: difference.percentile(95.0),
            p99: difference.percentile(99.0),
        }
    }
}

/// Rates and percentiles of about the last minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LastMinute {
    pub requests_per_second: f64,
    /// Answers with status 5xx, the gateway's own included.
    pub server_errors_per_second: f64,
    pub client_errors_per_second: f64,
    /// Bytes of answers' bodies.
    pub sent_per_second: f64,
    /// From the request's head to the answer's, as are the others.
    pub p50: Option<Duration>,
    pub p95: Option<Duration>,
    pub p99: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Traffic {
    pub totals: Totals,
    pub last_minute: LastMinute,
}

/// What passed through the gateway, read at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct MetricsSnapshot {
    /// Client connections open now.
    pub connections: usize,
    /// Connections closed at once because too many were open.
    pub connections_refused: u64,
    /// Requests refused before they were understood (400, 414, 431), which appear in no access log.
    pub malformed: u64,
    /// Requests that no route takes.
    pub unrouted: Option<Traffic>,
    /// Access-log lines lost because the disk did not keep up.
    pub log_lines_lost: u64,
    /// Routes that had a request since the gateway started.
    pub routes: Vec<RouteTraffic>,
    /// Backends that had a request since the gateway started.
    pub backends: Vec<BackendTraffic>,
}

#[derive(Debug, Clone, Serialize)]
pub struct RouteTraffic {
    pub application: ApplicationKey,
    pub route: RouteId,
    #[serde(flatten)]
    pub traffic: Traffic,
}

#[derive(Debug, Clone, Serialize)]
pub struct BackendTraffic {
    pub backend: BackendId,
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// Reads series of one gateway at one moment.
pub(crate) struct Reading {
    pub(crate) started: Instant,
    pub(crate) now: Instant,
}

impl Reading {
    pub(crate) fn of(&self, series: &Series) -> Option<Traffic> {
        series.traffic(self.started, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_lies_in_its_bucket() {
        for micros in (0..200_000_000u64).step_by(7919).chain(0..3000) {
            let latency = Duration::from_micros(micros);
            let index = bucket(latency);
            if index < BUCKETS - 1 {
                assert!(latency < bucket_end(index), "{latency:?} in {index}");
            }
            if index > 0 {
                assert!(latency >= bucket_end(index - 1), "{latency:?} in {index}");
            }
        }
    }

    fn pass(series: &Series, status: u16, millis: u64) {
        series.begin();
        series.end(Passed {
            status,
            complete: true,
            received: 0,
            sent: 10,
            latency: Duration::from_millis(millis),
        });
    }

    #[test]
    fn the_last_minute_forgets_what_came_before() {
        let series = Series::default();
        let start = Instant::now();
        for _ in 0..600 {
            pass(&series, 500, 1000);
        }
        let traffic = |at: Duration| series.traffic(start, start + at).unwrap();
        let first = traffic(Duration::from_secs(10));
        assert_eq!(first.last_minute.server_errors_per_second, 60.0);

        for second in (0..=120).step_by(5) {
            series.sample(start + Duration::from_secs(second));
            if second >= 60 {
                for _ in 0..5 {
                    pass(&series, 200, 20);
                }
            }
        }
        let now = traffic(Duration::from_secs(120));
        assert_eq!(now.totals.classes[5], 600);
        assert_eq!(now.last_minute.server_errors_per_second, 0.0);
        assert!((now.last_minute.requests_per_second - 1.0).abs() < 0.2);
        let p95 = now.last_minute.p95.unwrap().as_secs_f64();
        assert!((0.017..0.024).contains(&p95), "{p95}");
        assert!(series.samples.lock().unwrap().len() <= 14);

        for second in (125..300).step_by(5) {
            series.sample(start + Duration::from_secs(second));
        }
        assert_eq!(series.samples.lock().unwrap().len(), 1);
        let silent = traffic(Duration::from_secs(300));
        assert_eq!(silent.last_minute.requests_per_second, 0.0);
    }

    #[test]
    fn a_series_without_requests_costs_and_shows_nothing() {
        let series = Series::default();
        series.sample(Instant::now());
        assert!(series.traffic(Instant::now(), Instant::now()).is_none());
    }
}
