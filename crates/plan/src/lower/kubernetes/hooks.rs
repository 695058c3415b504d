//! Hooks as a pod has them: one command after its container's start and one before its stop, as the container's own user.
//!
//! Several are joined in one line for the shell, and so is what Kubernetes has no word for: the folder, variables, and the pause in
//! which gateways and nodes learn that the pod leaves. That comes first, so that a hook finds nobody asking any more.

use pluvio_model::release::{Content, DecidedHook};

use super::api::{Exec, Handler, Lifecycle, Sleep};

/// `pause`: seconds before the container is told to stop, whatever its hooks do.
pub(super) fn lifecycle(content: &Content, pause: Option<u64>) -> Option<Lifecycle> {
    let hooks = &content.hooks;
    let pre_stop = match (&hooks.pre_stop[..], pause) {
        ([], None) => None,
        ([], Some(seconds)) => Some(Handler::Sleep(Sleep { seconds })),
        (hooks, pause) => Some(Handler::Exec(Exec {
            command: before_stop(hooks, pause),
        })),
    };
    let post_start = match &hooks.post_start[..] {
        [] => None,
        hooks => Some(Handler::Exec(Exec {
            command: after_start(hooks),
        })),
    };
    if post_start.is_none() && pre_stop.is_none() {
        return None;
    }
    Some(Lifecycle {
        post_start,
        pre_stop,
    })
}

/// The first that fails is the last.
fn after_start(hooks: &[DecidedHook]) -> Vec<String> {
    match hooks {
        [one] if is_plain(one) => one.command.clone(),
        many => in_shell(many.iter().map(line).collect::<Vec<_>>().join(" && ")),
    }
}

/// One that fails keeps none of the others from being run.
fn before_stop(hooks: &[DecidedHook], pause: Option<u64>) -> Vec<String> {
    match (hooks, pause) {
        ([one], None) if is_plain(one) => one.command.clone(),
        (many, pause) => {
            let pause = pause.map(|seconds| format!("sleep {seconds}"));
            let lines = pause.into_iter().chain(many.iter().map(line));
            in_shell(lines.collect::<Vec<_>>().join("; "))
        }
    }
}

/// The kubelet puts no variables into the command of a hook, as it does into others.
/// (Source: `handlerRunner.Run` in k8s.io/kubernetes/pkg/kubelet/lifecycle/handlers.go.)
fn in_shell(line: String) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), line]
}

fn is_plain(hook: &DecidedHook) -> bool {
    hook.working_dir.is_none() && hook.env.is_empty()
}

/// `(cd /srv && env A=b warm --all)`
fn line(hook: &DecidedHook) -> String {
    let mut words = Vec::new();
    if !hook.env.is_empty() {
        words.push("env".to_owned());
        // A secret was refused.
        let values = hook.env.iter();
        words.extend(values.map(|(name, value)| quoted(&format!("{name}={}", value.masked()))));
    }
    // In front, `A=b` would be said to the shell.
    let program = hook.command.iter().map(|word| match word.contains('=') {
        true => in_quotes(word),
        false => quoted(word),
    });
    words.extend(program);
    let words = words.join(" ");
    match &hook.working_dir {
        Some(folder) => format!("(cd {} && {words})", quoted(folder.as_str())),
        None => words,
    }
}

/// As one word of a shell's line.
fn quoted(word: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_bare) {
        return word.to_owned();
    }
    in_quotes(word)
}

fn in_quotes(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What a pod's hooks cannot be asked for.
pub(super) fn unsupported(
    content: &Content,
    path: &str,
    refuse: &mut impl FnMut(String, &str, &str),
) {
    let main = &content.main;
    let all_rights = main.host.as_ref().is_some_and(|host| host.privileged);
    for (place, hook) in content.hooks.each() {
        let path = format!("{path}.hooks.{place}");
        if hook.user.is_some() && hook.user != main.user {
            refuse(
                format!("{path}.user"),
                "Kubernetes runs a hook as the user of its container.",
                "Take `user` out, or let the component run as that user.",
            );
        }
        if hook.privileged && !all_rights {
            refuse(
                format!("{path}.privileged"),
                "On Kubernetes a hook has the rights of its container.",
                "Take `privileged` out, or put what needs it into an `init` step of its own with `host: { privileged: true }`.",
            );
        }
        if hook.timeout.is_some() {
            refuse(
                format!("{path}.timeout"),
                "Kubernetes knows no time in which a hook must be done.",
                "Take `timeout` out; a `command` may begin with `timeout 30`, where the image has that program.",
            );
        }
        for (name, value) in &hook.env {
            if value.is_secret() {
                refuse(
                    format!("{path}.env.{name}"),
                    "Its value would stand in the pod's own description, which is no place for a secret.",
                    "Write it into the component's `env`, which its hooks have, too.",
                );
            }
        }
    }
}
