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

use serde::Serialize;

/// How often series are sampled; the last minute is known to this.
pub(crate) const SAMPLE: Duration = Duration::from_secs(5);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// How far back a window may reach. What is older than a minute is known to a minute.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

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
    /// The last hour at most, oldest first: every one of the last minute, then one a minute.
    samples: Mutex<VecDeque<Sample>>,
}

/// The counters as they were. Few buckets hold anything, and those lie together.
#[derive(Debug)]
struct Sample {
    at: Instant,
    classes: [u64; 6],
    received: u64,
    sent: u64,
    /// The first bucket that `latencies` has.
    first: usize,
    latencies: Box<[u64]>,
}

impl Sample {
    fn new(at: Instant, totals: &Totals) -> Sample {
        let used = |count: &u64| *count > 0;
        let first = totals.latencies.iter().position(used).unwrap_or(0);
        let end = totals
            .latencies
            .iter()
            .rposition(used)
            .map_or(first, |i| i + 1);
        Sample {
            at,
            classes: totals.classes,
            received: totals.received,
            sent: totals.sent,
            first,
            latencies: totals.latencies.get(first..end).unwrap_or_default().into(),
        }
    }

    fn latencies(&self, bucket: usize) -> u64 {
        let at = bucket.checked_sub(self.first);
        at.and_then(|at| self.latencies.get(at))
            .copied()
            .unwrap_or(0)
    }

    /// Two samples between which nothing passed have the same.
    fn volume(&self) -> u64 {
        volume(&self.classes, self.received, self.sent)
    }
}

/// Connections that last for hours move bytes long before they count as ended.
fn volume(classes: &[u64; 6], received: u64, sent: u64) -> u64 {
    let requests = classes
        .iter()
        .fold(0, |sum: u64, count| sum.wrapping_add(*count));
    requests.wrapping_add(received).wrapping_add(sent)
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

    /// Bytes that pass before the end is known: both ways of a connection that passes as bytes.
    pub(crate) fn pass(&self, received: u64, sent: u64) {
        let counters = self.counters();
        if received > 0 {
            counters.received.fetch_add(received, Ordering::Relaxed);
        }
        if sent > 0 {
            counters.sent.fetch_add(sent, Ordering::Relaxed);
        }
    }

    /// Remembers the counters as they are now, for as long as `horizon`.
    pub(crate) fn sample(&self, now: Instant, horizon: Duration) {
        let Some(counters) = self.counters.get() else {
            return;
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let classes = std::array::from_fn(|class| read(&counters.classes[class]));
        let volume = volume(&classes, read(&counters.received), read(&counters.sent));
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == 1 && samples[0].volume() == volume {
            // Silent for longer than the horizon: one sample says it all.
            samples[0].at = now;
            return;
        }
        if samples.is_empty() {
            // What came before the first sample counts too.
            let before = now.checked_sub(SAMPLE).unwrap_or(now);
            samples.push_back(Sample::new(before, &Totals::default()));
        }
        samples.extend(self.totals().map(|totals| Sample::new(now, &totals)));
        while samples.len() > 1 && now.duration_since(samples[1].at) >= horizon {
            samples.pop_front();
        }
        // The newest of those older than a minute is the last minute's base; of the others one a minute will do.
        let old = samples.partition_point(|one| now.duration_since(one.at) >= MINUTE);
        if old >= 3 && samples[old - 2].at.duration_since(samples[old - 3].at) < MINUTE - SAMPLE / 2
        {
            samples.remove(old - 2);
        }
        if samples.len() > 1 && samples[0].volume() == volume {
            samples.drain(1..);
            samples[0].at = now;
        }
    }

    /// None before the first request. `window`: over which rates and percentiles are.
    fn traffic(&self, started: Instant, now: Instant, window: Duration) -> Option<Traffic> {
        let totals = self.totals()?;
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let old = samples.partition_point(|one| now.duration_since(one.at) >= window);
        let lately = match samples.get(old.saturating_sub(1)) {
            Some(base) => {
                // Before the oldest sample nothing passed, for as long as is kept.
                let silent = now.duration_since(started).min(window - MINUTE);
                totals.since(Some(base), now.duration_since(base.at).max(silent))
            }
            None => totals.since(None, now.duration_since(started).min(window)),
        };
        Some(Traffic { totals, lately })
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

    fn since(&self, base: Option<&Sample>, span: Duration) -> Lately {
        let before = |read: fn(&Sample) -> u64| base.map_or(0, read);
        let difference = Totals {
            classes: std::array::from_fn(|class| {
                self.classes[class] - base.map_or(0, |base| base.classes[class])
            }),
            received: self.received - before(|base| base.received),
            sent: self.sent - before(|base| base.sent),
            active: self.active,
            latencies: self
                .latencies
                .iter()
                .enumerate()
                .map(|(index, count)| count - base.map_or(0, |base| base.latencies(index)))
                .collect(),
        };
        let seconds = span.as_secs_f64().max(1.0);
        let rate = |count: u64| count as f64 / seconds;
        Lately {
            requests_per_second: rate(difference.requests()),
            server_errors_per_second: rate(difference.classes[5]),
            client_errors_per_second: rate(difference.classes[4]),
            received_per_second: rate(difference.received),
            sent_per_second: rate(difference.sent),
            p50: difference.percentile(50.0),
            p95: difference.percentile(95.0),
            p99: difference.percentile(99.0),
        }
    }
}

/// Rates and percentiles of the last minute, or of the window that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Lately {
    pub requests_per_second: f64,
    /// Answers with status 5xx, the gateway's own included.
    pub server_errors_per_second: f64,
    pub client_errors_per_second: f64,
    /// Bytes of requests' bodies.
    pub received_per_second: f64,
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
    pub lately: Lately,
}

/// Reads series of one gateway at one moment.
pub(crate) struct Reading {
    pub(crate) started: Instant,
    pub(crate) now: Instant,
    pub(crate) window: Duration,
}

impl Reading {
    pub(crate) fn of(&self, series: &Series) -> Option<Traffic> {
        series.traffic(self.started, self.now, self.window)
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
    fn the_lately_forgets_what_came_before() {
        let series = Series::default();
        let start = Instant::now();
        for _ in 0..600 {
            pass(&series, 500, 1000);
        }
        let traffic = |at: Duration| series.traffic(start, start + at, MINUTE).unwrap();
        let first = traffic(Duration::from_secs(10));
        assert_eq!(first.lately.server_errors_per_second, 60.0);

        for second in (0..=120).step_by(5) {
            series.sample(start + Duration::from_secs(second), MINUTE);
            if second >= 60 {
                for _ in 0..5 {
                    pass(&series, 200, 20);
                }
            }
        }
        let now = traffic(Duration::from_secs(120));
        assert_eq!(now.totals.classes[5], 600);
        assert_eq!(now.lately.server_errors_per_second, 0.0);
        assert!((now.lately.requests_per_second - 1.0).abs() < 0.2);
        let p95 = now.lately.p95.unwrap().as_secs_f64();
        assert!((0.017..0.024).contains(&p95), "{p95}");
        assert!(series.samples.lock().unwrap().len() <= 14);

        for second in (125..300).step_by(5) {
            series.sample(start + Duration::from_secs(second), MINUTE);
        }
        assert_eq!(series.samples.lock().unwrap().len(), 1);
        let silent = traffic(Duration::from_secs(300));
        assert_eq!(silent.lately.requests_per_second, 0.0);
    }

    #[test]
    fn a_series_without_requests_costs_and_shows_nothing() {
        let series = Series::default();
        series.sample(Instant::now(), HOUR);
        assert!(
            series
                .traffic(Instant::now(), Instant::now(), MINUTE)
                .is_none()
        );
    }
    #[test]
    fn an_hour_is_kept_by_the_minute() {
        let series = Series::default();
        let start = Instant::now();
        for second in (0..7200).step_by(5) {
            // Ten a second in every second half of an hour, one a second otherwise.
            let many = if second / 1800 % 2 == 1 { 50 } else { 5 };
            for _ in 0..many {
                pass(&series, 200, 20);
            }
            series.sample(start + Duration::from_secs(second), HOUR);
        }
        let now = start + Duration::from_secs(7195);
        let rate = |window: u64| {
            let window = Duration::from_secs(window);
            let traffic = series.traffic(start, now, window).unwrap();
            traffic.lately.requests_per_second
        };
        assert!((rate(60) - 10.0).abs() < 0.5, "{}", rate(60));
        assert!((rate(900) - 10.0).abs() < 0.5, "{}", rate(900));
        assert!((rate(3600) - 5.5).abs() < 0.5, "{}", rate(3600));
        let kept = series.samples.lock().unwrap().len();
        assert!((60..=80).contains(&kept), "{kept}");
    }

    #[test]
    fn bytes_of_a_connection_count_before_it_ends() {
        let series = Series::default();
        let start = Instant::now();
        series.begin();
        for second in (0..=120).step_by(5) {
            series.pass(500, 5000);
            series.sample(start + Duration::from_secs(second), HOUR);
        }
        let now = start + Duration::from_secs(120);
        let traffic = series.traffic(start, now, MINUTE).unwrap();
        assert_eq!((traffic.totals.requests(), traffic.totals.active), (0, 1));
        assert!((traffic.lately.received_per_second - 100.0).abs() < 1.0);
        assert!((traffic.lately.sent_per_second - 1000.0).abs() < 10.0);
    }
}
