//! A number that is this test's alone while it runs: ports and networks are counted from it, so that tests of several
//! processes never meet.

use std::fs::File;
use std::net::TcpListener;
use std::process::Command;

#[derive(Debug)]
pub struct Slot {
    pub number: u16,
    /// Locked while the test runs; the kernel unlocks it whatever becomes of the process.
    _lock: File,
}

impl Slot {
    /// The first that is free.
    pub fn take() -> Slot {
        let folder = std::env::temp_dir().join("pluvio-test-slots");
        std::fs::create_dir_all(&folder).expect("a folder for locks");
        for number in 0..60 {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(number.to_string()))
                .expect("a lock");
            let slot = Slot {
                number,
                _lock: file,
            };
            // What a test that was killed left behind keeps its ports; a network that an engine does not let go of (Docker 20.10
            // counts an endpoint too many now and then) keeps its addresses.
            let free = |index| TcpListener::bind(("127.0.0.1", slot.port(index))).is_ok();
            let is_mine = slot._lock.try_lock().is_ok();
            if is_mine && (0..3).all(free) && !slot.has_networks() {
                return slot;
            }
        }
        panic!("more than 60 tests at once");
    }

    /// One of its ten ports, below those that the kernel gives to clients.
    pub fn port(&self, index: u16) -> u16 {
        19000 + self.number * 10 + index
    }

    /// Room for sixteen applications' networks.
    pub fn pool(&self) -> String {
        format!("10.213.{}.0/22", self.number * 4)
    }

    /// Addresses of that room that the machine has: what components are reached at from within.
    pub fn addresses(&self) -> Vec<String> {
        self.listed(&["-o", "-4", "addr", "show", "dev", "lo"])
    }

    /// Whether something else of the machine, such as a bridge, has an address of that room.
    fn has_networks(&self) -> bool {
        let all = self.listed(&["-o", "-4", "addr", "show"]);
        all.len() > self.addresses().len()
    }

    /// Addresses of that room in what `ip` lists.
    fn listed(&self, words: &[&str]) -> Vec<String> {
        let listed = Command::new("ip").args(words).output();
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        let ours = |address: &&str| {
            (0..4).any(|n| address.starts_with(&format!("10.213.{}.", self.number * 4 + n)))
        };
        String::from_utf8_lossy(&listed)
            .split_whitespace()
            .filter(ours)
            .map(str::to_owned)
            .collect()
    }

    /// What a test that failed leaves of them.
    pub fn give_back(&self) {
        for address in self.addresses() {
            let _ = Command::new("ip")
                .args(["addr", "del", &address, "dev", "lo"])
                .output();
        }
    }
}
