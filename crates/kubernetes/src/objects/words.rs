//! What the cluster's own columns say, in plain words.

use pluvio_model::objects::{ObjectCell, ObjectKind, ObjectState};

type Told = (ObjectState, String);

pub(super) fn of(kind: ObjectKind, cells: &[ObjectCell]) -> Told {
    let cell = |name: &str| {
        let found = cells.iter().find(|cell| cell.name == name);
        found.map_or("", |cell| cell.value.as_str())
    };
    match kind {
        ObjectKind::Pods => pod(cell("Status"), cell("Ready")),
        ObjectKind::Deployments | ObjectKind::StatefulSets => match parts(cell("Ready")) {
            Some((ready, wanted)) => counted(ready, wanted),
            None => there(),
        },
        ObjectKind::DaemonSets => match (cell("Ready").parse(), cell("Desired").parse()) {
            (Ok(ready), Ok(wanted)) => counted(ready, wanted),
            _ => there(),
        },
        ObjectKind::Jobs => job(cell("Status"), cell("Completions")),
        ObjectKind::CronJobs => match (cell("Suspend"), cell("Active")) {
            ("True" | "true", _) => (ObjectState::Stopped, "begins no runs".to_owned()),
            (_, "" | "0") => there(),
            (_, active) => (ObjectState::Running, format!("{active} at work")),
        },
        ObjectKind::Nodes => node(cell("Status")),
        ObjectKind::Namespaces => match cell("Status") {
            "Terminating" => (ObjectState::Waiting, "is being deleted".to_owned()),
            _ => there(),
        },
        ObjectKind::Services => match (cell("Type"), cell("External-IP")) {
            ("LoadBalancer", "<pending>") => (
                ObjectState::Waiting,
                "nothing gave it an address yet".to_owned(),
            ),
            _ => there(),
        },
        ObjectKind::Ingresses => match cell("Address") {
            "" => (
                ObjectState::Waiting,
                "nothing serves it yet, or tells where".to_owned(),
            ),
            _ => there(),
        },
        ObjectKind::Hpas => match cell("Targets").contains("<unknown>") {
            true => (
                ObjectState::Degraded,
                "what it goes by is not measured".to_owned(),
            ),
            false => there(),
        },
        ObjectKind::HttpRoutes
        | ObjectKind::ConfigMaps
        | ObjectKind::Secrets
        | ObjectKind::Events => there(),
    }
}

fn there() -> Told {
    (ObjectState::There, String::new())
}

/// `1/2`
fn parts(text: &str) -> Option<(u32, u32)> {
    let (ready, wanted) = text.split_once('/')?;
    Some((ready.parse().ok()?, wanted.parse().ok()?))
}

fn counted(ready: u32, wanted: u32) -> Told {
    let state = match (ready, wanted) {
        (_, 0) => return (ObjectState::Stopped, "none are wanted".to_owned()),
        (ready, wanted) if ready >= wanted => ObjectState::Running,
        (0, _) => ObjectState::Failed,
        _ => ObjectState::Degraded,
    };
    (state, format!("{ready} of {wanted} ready"))
}

fn job(status: &str, completions: &str) -> Told {
    let counts = parts(completions);
    let done = || counts.map_or_else(String::new, |(is, of)| format!("{is} of {of} done"));
    match (status, counts) {
        ("Complete" | "SuccessCriteriaMet", _) => (ObjectState::Succeeded, done()),
        ("Failed" | "FailureTarget", _) => (ObjectState::Failed, done()),
        ("Suspended", _) => (ObjectState::Stopped, done()),
        // Older servers do not say.
        ("", Some((is, of))) if is >= of => (ObjectState::Succeeded, done()),
        _ => (ObjectState::Running, done()),
    }
}

fn node(status: &str) -> Told {
    let cordoned = status.contains("SchedulingDisabled");
    match status.split(',').next() {
        Some("Ready") if cordoned => (ObjectState::Degraded, "takes no new pods".to_owned()),
        Some("Ready") => (ObjectState::Running, String::new()),
        _ => (ObjectState::Failed, "is not ready".to_owned()),
    }
}

/// What a reason of a pod or container means, and how bad it is.
pub(super) fn reason(reason: &str) -> Option<(ObjectState, &'static str)> {
    use ObjectState::{Failed, Succeeded, Waiting};
    Some(match reason {
        "Completed" | "Succeeded" => (Succeeded, "ran to its end"),
        "Pending" => (Waiting, "waits for a node"),
        "ContainerCreating" | "PodInitializing" => (Waiting, "is being made"),
        "SchedulingGated" => (Waiting, "is held back before it gets a node"),
        "Terminating" => (Waiting, "is being ended"),
        "CrashLoopBackOff" => (Failed, "its program ends again and again"),
        "Error" | "StartError" => (Failed, "its program ended with an error"),
        "OOMKilled" => (Failed, "it needed more memory than it may have"),
        "ImagePullBackOff" | "ErrImagePull" => (Failed, "its image cannot be pulled"),
        "ErrImageNeverPull" => (Failed, "its image is not on the node"),
        "InvalidImageName" => (Failed, "its image's name is none"),
        "CreateContainerConfigError" => (Failed, "a Secret or ConfigMap that it needs is missing"),
        "CreateContainerError" | "RunContainerError" | "ContainerCannotRun" => {
            (Failed, "its container cannot be started")
        }
        "Evicted" => (Failed, "its node put it out"),
        "NodeLost" | "Unknown" => (Failed, "its node does not answer"),
        "DeadlineExceeded" => (Failed, "it took longer than it may"),
        _ => return None,
    })
}

fn pod(status: &str, ready: &str) -> Told {
    if status == "Running" {
        return match parts(ready) {
            Some((ready, all)) if ready < all => (
                ObjectState::Degraded,
                format!("{ready} of {all} containers ready"),
            ),
            _ => (ObjectState::Running, String::new()),
        };
    }
    // `Init:1/2`, `Init:CrashLoopBackOff`
    if let Some(init) = status.strip_prefix("Init:") {
        return match (parts(init), reason(init)) {
            (Some((done, all)), _) => (
                ObjectState::Waiting,
                format!("prepares itself, {done} of {all} done"),
            ),
            (None, Some((state, what))) => (state, format!("while it prepares itself: {what}")),
            (None, None) => (ObjectState::Failed, init.to_owned()),
        };
    }
    match reason(status) {
        Some((state, what)) => (state, what.to_owned()),
        None => (ObjectState::Failed, status.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(kind: ObjectKind, rows: &[&[(&str, &str)]], expected: Expect) {
        let told = rows.iter().map(|row| {
            let cells: Vec<ObjectCell> = row
                .iter()
                .map(|(name, value)| ObjectCell {
                    name: (*name).to_owned(),
                    value: (*value).to_owned(),
                })
                .collect();
            let (state, note) = of(kind, &cells);
            format!("{state:?} {note}").trim_end().to_owned() + "\n"
        });
        expected.assert_eq(&told.collect::<String>());
    }

    #[test]
    fn states_are_in_plain_words() {
        check(
            ObjectKind::Pods,
            &[
                &[("Ready", "2/2"), ("Status", "Running")],
                &[("Ready", "1/2"), ("Status", "Running")],
                &[("Ready", "0/1"), ("Status", "CrashLoopBackOff")],
                &[("Ready", "0/1"), ("Status", "Init:0/2")],
                &[("Ready", "0/1"), ("Status", "Init:ErrImagePull")],
                &[("Ready", "0/1"), ("Status", "Completed")],
                &[("Ready", "0/1"), ("Status", "SomethingNew")],
            ],
            expect![[r#"
                Running
                Degraded 1 of 2 containers ready
                Failed its program ends again and again
                Waiting prepares itself, 0 of 2 done
                Failed while it prepares itself: its image cannot be pulled
                Succeeded ran to its end
                Failed SomethingNew
            "#]],
        );
        check(
            ObjectKind::Deployments,
            &[
                &[("Ready", "2/2")],
                &[("Ready", "1/2")],
                &[("Ready", "0/2")],
                &[("Ready", "0/0")],
            ],
            expect![[r#"
                Running 2 of 2 ready
                Degraded 1 of 2 ready
                Failed 0 of 2 ready
                Stopped none are wanted
            "#]],
        );
        check(
            ObjectKind::Jobs,
            &[
                &[("Status", "Complete"), ("Completions", "1/1")],
                &[("Status", "Running"), ("Completions", "0/3")],
                &[("Completions", "1/1")],
            ],
            expect![[r#"
                Succeeded 1 of 1 done
                Running 0 of 3 done
                Succeeded 1 of 1 done
            "#]],
        );
        check(
            ObjectKind::Nodes,
            &[
                &[("Status", "Ready")],
                &[("Status", "Ready,SchedulingDisabled")],
                &[("Status", "NotReady")],
            ],
            expect![[r#"
                Running
                Degraded takes no new pods
                Failed is not ready
            "#]],
        );
    }
}
