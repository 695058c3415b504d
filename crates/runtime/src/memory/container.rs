//! A container of the engine in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tokio::sync::watch;

use crate::LogStream;
use crate::driver::{ContainerState, DriverLogLine, SeenContainer};

pub(super) struct Container {
    pub(super) seen: SeenContainer,
    pub(super) network: Option<String>,
    /// Whose network it joins instead.
    pub(super) joined: Option<String>,
    pub(super) address: Option<IpAddr>,
    pub(super) volumes: BTreeSet<String>,
    pub(super) files: BTreeMap<String, String>,
    pub(super) lines: Vec<DriverLogLine>,
    /// Ends with the run.
    pub(super) printed: watch::Sender<usize>,
    pub(super) signals: Vec<String>,
}

impl Container {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.seen.state, ContainerState::Running { .. })
    }

    pub(super) fn end(&mut self, code: i64, oom: bool) {
        if self.is_running() {
            self.seen.pid = None;
            self.seen.address = None;
            self.seen.state = ContainerState::Exited {
                code,
                oom,
                finished_at: pluvio_model::clock::now(),
            };
            self.printed = watch::Sender::new(self.lines.len());
        }
    }

    pub(super) fn print(&mut self, text: &str) {
        self.lines.push(DriverLogLine {
            at: pluvio_model::clock::now(),
            stream: LogStream::Out,
            text: text.to_owned(),
        });
        self.printed.send_replace(self.lines.len());
    }
}
