//! What a hook says, as lines among those of its instance.

use std::collections::VecDeque;

use pluvio_runtime::{LogLine, LogStream};
use pluvio_telemetry::logs::LogStore;

use crate::collect::Source;

/// Lines that are shown with a failure.
const LAST: usize = 20;
/// A line that does not end is cut here, in bytes.
const LONGEST: usize = 16 * 1024;

pub(super) struct Said<'a> {
    logs: &'a LogStore,
    source: &'a Source,
    /// What is not a whole line yet, of each of its outputs.
    out: Vec<u8>,
    err: Vec<u8>,
    last: VecDeque<String>,
}

impl<'a> Said<'a> {
    pub(super) fn new(logs: &'a LogStore, source: &'a Source) -> Said<'a> {
        Said {
            logs,
            source,
            out: Vec::new(),
            err: Vec::new(),
            last: VecDeque::new(),
        }
    }

    pub(super) fn take(&mut self, stream: LogStream, bytes: &[u8]) {
        let rest = match stream {
            LogStream::Err => &mut self.err,
            LogStream::Out | LogStream::Pluvio => &mut self.out,
        };
        rest.extend_from_slice(bytes);
        let mut whole = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            whole.push(rest.drain(..=end).collect::<Vec<u8>>());
        }
        if rest.len() > LONGEST {
            whole.push(std::mem::take(rest));
        }
        for line in whole {
            self.keep(stream, &line);
        }
    }

    fn keep(&mut self, stream: LogStream, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        let text = self.source.masks.mask(text);
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(text.clone());
        let line = LogLine {
            at: pluvio_model::clock::now(),
            component: self.source.component.clone(),
            instance: self.source.instance.clone(),
            stream,
            text,
        };
        let (application, component) = (self.source.application, &self.source.component);
        self.logs.append(application, component, vec![line]);
    }

    /// Its last lines, the oldest first.
    pub(super) fn end(mut self) -> Vec<String> {
        for stream in [LogStream::Out, LogStream::Err] {
            let rest = match stream {
                LogStream::Err => std::mem::take(&mut self.err),
                LogStream::Out | LogStream::Pluvio => std::mem::take(&mut self.out),
            };
            if !rest.is_empty() {
                self.keep(stream, &rest);
            }
        }
        self.last.into()
    }
}
