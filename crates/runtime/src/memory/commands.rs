//! Commands in containers of the engine in memory: which there were, and how each ends.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use super::driver::MemoryDriver;
use crate::{ExecOutput, ExecRequest};

#[derive(Debug, Default)]
pub(super) struct Commands {
    /// By the container's name.
    ran: BTreeMap<String, Vec<String>>,
    /// Codes other than 0, by the first word.
    codes: BTreeMap<String, i64>,
}

impl MemoryDriver {
    fn commands(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a command that begins with this word ends with this code.
    pub fn end_command_with(&self, word: &str, code: i64) {
        self.commands().codes.insert(word.to_owned(), code);
    }

    /// The commands that were run in containers of this name, gone ones too, but for probes and the like.
    pub fn ran_in(&self, container: &str) -> Vec<String> {
        let commands = self.commands();
        commands.ran.get(container).cloned().unwrap_or_default()
    }

    pub(super) fn run(&self, request: &ExecRequest) -> Vec<ExecOutput> {
        let mut commands = self.commands();
        let ran = commands.ran.entry(request.instance.clone()).or_default();
        ran.push(request.command.join(" "));
        let first = request.command.first();
        let code = first.and_then(|word| commands.codes.get(word)).copied();
        let code = code.unwrap_or(0);
        let said = format!("it ends with {code}\n");
        vec![ExecOutput::Out(said.into()), ExecOutput::Exit(code)]
    }
}
