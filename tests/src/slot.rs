//! A number that is this test's alone while it runs: ports and networks are counted from it, so that tests of several
//! processes never meet.

use std::fs::File;
use std::net::TcpListener;

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
            // What a test that was killed left behind keeps its ports.
            let free = |index| TcpListener::bind(("127.0.0.1", slot.port(index))).is_ok();
            if slot._lock.try_lock().is_ok() && (0..3).all(free) {
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
}
