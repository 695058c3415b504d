//! A way to an API server that fails on purpose: requests are refused, lost, answered and then cut off, held up, and watches end in
//! the middle of a line, as seldom as in bad weeks and as often as tests have time for.
//!
//! What becomes of a request follows from the seed, the request and how often it was sent, never from the clock: a failed run is run
//! again with `PLUVIO_TEST_FAULTS=SEED`. No request has bad luck more than a few times in a row.
//!
//! It speaks HTTP without TLS to who asks, and for him, with the kubeconfig's certificate, TLS to the server; who brings a token of
//! his own keeps it. [`Faults::refuse`] and [`Faults::hang`] let nothing through until [`Faults::mend`].

mod fate;
mod way;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;

use fate::Fates;
pub use fate::Fault;
use way::Upstream;

/// What stands between a test and its cluster; it ends with the process.
#[derive(Debug)]
pub struct Faults {
    pub seed: u64,
    address: SocketAddr,
    name: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    fates: Mutex<Fates>,
    counts: Mutex<BTreeMap<Fault, u64>>,
    requests: AtomicU64,
    /// Where each fault is written down, for whoever adds up a whole run.
    log: Option<std::path::PathBuf>,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Refusing,
    Hanging,
}

/// The seed of this run, where its environment asks for faults.
pub fn asked_for() -> Option<u64> {
    let text = std::env::var("PLUVIO_TEST_FAULTS").ok()?;
    Some(text.parse().expect("PLUVIO_TEST_FAULTS is a number"))
}

impl Faults {
    /// Before the server that a kubeconfig names, with its certificate. `percent` of the requests fail.
    #[track_caller]
    pub fn before(kubeconfig: &str, seed: u64, percent: u32) -> Faults {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("it does not block");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream: Upstream::of(kubeconfig),
            fates: Mutex::new(Fates::new(seed, percent)),
            counts: Mutex::default(),
            requests: AtomicU64::new(0),
            log: std::env::var_os("PLUVIO_TEST_FAULTS_LOG").map(Into::into),
            state: watch::Sender::new(State::Open),
        });
        let taken = shared.clone();
        // A runtime of its own: that of a test ends with the test, whose last steps still ask.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                loop {
                    // One that was reset before it was taken says nothing about the next.
                    if let Ok((client, _)) = listener.accept().await {
                        tokio::spawn(way::pass(taken.clone(), client));
                    }
                }
            });
        });
        eprintln!("faults: PLUVIO_TEST_FAULTS={seed}, {percent} % of the requests, at {address}");
        Faults {
            seed,
            address,
            name: way::field(kubeconfig, "name: ").to_owned(),
            shared,
        }
    }

    /// A kubeconfig that leads through here. It has no credential: here is one.
    pub fn kubeconfig(&self) -> String {
        let (name, address) = (&self.name, self.address);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {name}\n\
             clusters: [{{name: {name}, cluster: {{server: \"http://{address}\"}}}}]\n\
             contexts: [{{name: {name}, context: {{cluster: {name}, user: {name}}}}}]\n\
             users: [{{name: {name}, user: {{}}}}]\n"
        )
    }

    /// How often each kind of fault was made.
    pub fn counts(&self) -> BTreeMap<Fault, u64> {
        self.shared.counts.lock().expect("no holder panics").clone()
    }

    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// The next requests of that method whose URL has that part fail so, besides what chance makes of others.
    pub fn arrange(&self, method: &str, part: &str, fault: Fault, times: u32) {
        let mut fates = self.shared.fates.lock().expect("no holder panics");
        fates.arrange(method, part, fault, times);
    }

    /// Nothing is arranged any more.
    pub fn forget(&self) {
        self.shared.fates.lock().expect("no holder panics").forget();
    }

    /// How many of the arranged failures have not come yet.
    pub fn arranged_left(&self) -> u32 {
        self.shared
            .fates
            .lock()
            .expect("no holder panics")
            .arranged_left()
    }

    /// Every kind of fault has been made.
    #[track_caller]
    pub fn assert_all_kinds(&self) {
        let counts = self.counts();
        let missing = Fault::ALL
            .iter()
            .filter(|fault| !counts.contains_key(fault));
        let missing: Vec<_> = missing.collect();
        let seed = self.seed;
        assert!(
            missing.is_empty(),
            "seed {seed}: no {missing:?} among {counts:?}"
        );
    }

    /// From now on every connection is reset, those that are open as well.
    pub fn refuse(&self) {
        self.shared.state.send_replace(State::Refusing);
    }

    /// From now on connections are taken and nothing is answered, as by a server that is stopped.
    pub fn hang(&self) {
        self.shared.state.send_replace(State::Hanging);
    }

    pub fn mend(&self) {
        self.shared.state.send_replace(State::Open);
    }
}

impl Shared {
    fn count(&self, fault: Fault, request: &str) {
        *self
            .counts
            .lock()
            .expect("no holder panics")
            .entry(fault)
            .or_default() += 1;
        if let Some(log) = &self.log {
            use std::io::Write;
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(log);
            let line = format!("{fault:?} {request}\n");
            let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        }
    }
}
