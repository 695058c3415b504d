//! Hooks as an engine runs them: commands in the main container, beside its program.

use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedHook, DecidedHooks};
use pluvio_model::template::SecretRef;
use serde_json::{Map, Value, json};

/// A command to run in a container, nothing left open. Holds secret values: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct HookExec {
    pub command: Vec<String>,
    /// `None`, as for the folder: the program's own.
    pub user: Option<String>,
    pub working_dir: Option<String>,
    /// `NAME=value`, besides the program's own.
    pub env: Vec<String>,
    pub privileged: bool,
    /// As it was asked for.
    pub timeout: Option<Span>,
}

impl std::fmt::Debug for HookExec {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "HookExec({:?})", self.command)
    }
}

/// A hook with its secrets put in. `Err` names a secret without a value.
pub fn resolve_hook(
    hook: &DecidedHook,
    secret: &dyn Fn(&SecretRef) -> Option<String>,
) -> Result<HookExec, SecretRef> {
    let mut env = Vec::new();
    for (name, value) in &hook.env {
        let value = value.resolve(secret).map_err(Clone::clone)?;
        env.push(format!("{name}={value}"));
    }
    Ok(HookExec {
        command: hook.command.clone(),
        user: hook.user.clone(),
        working_dir: hook.working_dir.as_ref().map(ToString::to_string),
        env,
        privileged: hook.privileged,
        timeout: hook.timeout,
    })
}

impl HookExec {
    /// The body of `POST /containers/NAME/exec`, and how long it may take, where that is said.
    fn manifest(&self) -> Value {
        let mut body = Map::new();
        body.insert("Cmd".to_owned(), json!(self.command));
        for (key, value) in [("User", &self.user), ("WorkingDir", &self.working_dir)] {
            if let Some(value) = value {
                body.insert(key.to_owned(), json!(value));
            }
        }
        if !self.env.is_empty() {
            body.insert("Env".to_owned(), json!(self.env));
        }
        if self.privileged {
            body.insert("Privileged".to_owned(), json!(true));
        }
        let mut whole = json!({ "body": body });
        if let Some(timeout) = self.timeout {
            whole["timeout"] = json!(timeout);
        }
        whole
    }
}

/// Both lists, for people to read.
pub(super) fn manifests(
    hooks: &DecidedHooks,
    shown: &dyn Fn(&SecretRef) -> Option<String>,
) -> Value {
    let list = |hooks: &[DecidedHook]| -> Vec<Value> {
        let all = hooks
            .iter()
            .filter_map(|hook| resolve_hook(hook, shown).ok());
        all.map(|hook| hook.manifest()).collect()
    };
    json!({ "postStart": list(&hooks.post_start), "preStop": list(&hooks.pre_stop) })
}
