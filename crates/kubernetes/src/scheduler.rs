//! The scheduler's reasons in plain words. Its message counts nodes by reason:
//! `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: …`
//! (Source: `FitError.Error` in k8s.io/kubernetes/pkg/scheduler/framework/types.go; the reasons are its plugins' own.)

use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};

/// How a reason begins, in plain words behind the number of nodes, and what helps.
#[rustfmt::skip]
const REASONS: &[(&str, &str, &str)] = &[
    ("Insufficient cpu", "with too little CPU left", RESOURCES),
    ("Insufficient memory", "with too little memory left", RESOURCES),
    ("Insufficient ephemeral-storage", "with too little disk left", RESOURCES),
    ("Too many pods", "with as many pods as they take", ANOTHER),
    ("node(s) had untolerated taint", "kept for others by a taint", TAINT),
    ("node(s) had taints that the pod didn't tolerate", "kept for others by a taint", TAINT),
    ("node(s) were unschedulable", "closed for new pods (cordoned)", "Open one again: `kubectl uncordon NODE`."),
    ("node(s) didn't match Pod's node affinity/selector", "without the labels it asks for", LABELS),
    ("node(s) didn't match scheduler-enforced node affinity", "without the labels it asks for", LABELS),
    ("node(s) didn't match pod topology spread constraints", "where no more of it may be", SPREAD),
    ("node(s) didn't match pod anti-affinity rules", "where one of it is already", SPREAD),
    ("node(s) didn't satisfy existing pods anti-affinity rules", "where others want none of it beside them", SPREAD),
    ("node(s) didn't match pod affinity rules", "without what it wants to be beside", SPREAD),
    ("node(s) didn't have free ports", "where its port is in use", "Choose another port of the host, or give the cluster another node."),
    ("node(s) didn't match PersistentVolume's node affinity", "that do not reach its volume", VOLUME),
    ("node(s) had volume node affinity conflict", "that do not reach its volume", VOLUME),
    ("node(s) had no available volume zone", "in another zone than its volume", VOLUME),
    ("node(s) exceed max volume count", "with as many volumes as they take", ANOTHER),
    ("node(s) did not have enough free storage", "with no room for its volume", "Ask for a smaller volume, or give the storage driver room."),
    ("node(s) didn't find available persistent volumes to bind", "without a volume that fits", VOLUME),
    ("node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod", "while another pod has its volume", "It starts when the other pod is gone."),
];

const RESOURCES: &str =
    "Ask for less under `resources`, end something else, or give the cluster a node that fits.";
const ANOTHER: &str = "Give the cluster another node, or run less on it.";
const TAINT: &str = "Name the taint's key under `placement.reserved`, take it away (`kubectl taint nodes NODE KEY-`), or give the cluster a node without.";
const LABELS: &str = "Take node labels out of `placement`, or label a node so: `kubectl label nodes NODE KEY=VALUE`.";
const SPREAD: &str = "Ask for fewer instances, or give the cluster another node.";
const VOLUME: &str = "Bring a node back that reaches the volume (its zone, its disk), or move the data into a new volume.";
const GENERAL: &str =
    "Ask for less under `resources`, take node labels out, or give the cluster a node that fits.";

/// What a user is told of a pod that no node takes. The scheduler's own words are the evidence.
pub(crate) fn no_room(component: &Name, message: &str) -> Problem {
    let message = message.trim_end_matches('.');
    let Some((count, reasons)) = message.split_once(" nodes are available: ") else {
        return told(component, message, GENERAL);
    };
    let all = count.rsplit('/').next().unwrap_or(count);
    let reasons = before(before(reasons, " preemption:"), " no new claims");
    let mut remedies: Vec<&str> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for reason in parts(reasons.trim_end_matches(['.', ' ', ','])) {
        let (word, help) = worded(reason);
        // Of several, each that is mended lets it start somewhere.
        remedies.extend(help.filter(|help| !remedies.contains(help)));
        words.push(word);
    }
    let why = format!("of {all}, {}", words.join(", "));
    if remedies.is_empty() {
        remedies.push(GENERAL);
    }
    told(component, &why, &remedies.join(" Or: ")).evidence([message.to_owned()])
}

fn told(component: &Name, why: &str, remedy: &str) -> Problem {
    problem::CLUSTER_NO_ROOM.problem(
        format!("No node of the cluster takes {component}: {why}."),
        remedy,
    )
}

fn before<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or(text, |(before, _)| before)
}

/// A reason may have commas of its own: the next one begins with its count.
fn parts(reasons: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _) in reasons.match_indices(", ") {
        let next = &reasons[at + 2..];
        if next.starts_with(|first: char| first.is_ascii_digit()) {
            parts.push(&reasons[from..at]);
            from = at + 2;
        }
    }
    parts.push(&reasons[from..]);
    parts
}

/// `2 Insufficient cpu`
fn worded(reason: &str) -> (String, Option<&'static str>) {
    if reason.contains("unbound immediate PersistentVolumeClaims") {
        let help = "`kubectl describe pvc` tells what the volume waits for.";
        return (
            "all wait for its volume, which is not there yet".to_owned(),
            Some(help),
        );
    }
    let counted = reason.split_once(' ');
    let Some((count, why)) = counted.filter(|(count, _)| count.parse::<u32>().is_ok()) else {
        return (reason.to_owned(), None);
    };
    if let Some((_, words, help)) = REASONS.iter().find(|(begin, ..)| why.starts_with(begin)) {
        return (format!("{count} {words}"), Some(help));
    }
    match why.strip_prefix("Insufficient ") {
        Some(resource) => (
            format!("{count} with too little {resource} left"),
            Some(RESOURCES),
        ),
        None => (format!("{count} {why}"), None),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::no_room;

    fn check(message: &str, expected: Expect) {
        let problem = no_room(&"web".parse().unwrap(), message);
        expected.assert_eq(&format!("{}\n{}\n", problem.cause, problem.remedy));
    }

    #[test]
    fn reasons_are_worded() {
        check(
            "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
            expect![[r#"
                No node of the cluster takes web: of 1, 1 with too little CPU left.
                Ask for less under `resources`, end something else, or give the cluster a node that fits.
            "#]],
        );
        check(
            "0/5 nodes are available: 1 Insufficient memory, 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint {a: b, c: d}, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling.",
            expect![[r#"
                No node of the cluster takes web: of 5, 1 with too little memory left, 1 with too little nvidia.com/gpu left, 1 kept for others by a taint, 2 without the labels it asks for.
                Ask for less under `resources`, end something else, or give the cluster a node that fits. Or: Name the taint's key under `placement.reserved`, take it away (`kubectl taint nodes NODE KEY-`), or give the cluster a node without. Or: Take node labels out of `placement`, or label a node so: `kubectl label nodes NODE KEY=VALUE`.
            "#]],
        );
        check(
            "0/3 nodes are available: 2 node(s) were unschedulable, 3 node(s) had no available volume zone.",
            expect![[r#"
                No node of the cluster takes web: of 3, 2 closed for new pods (cordoned), 3 in another zone than its volume.
                Open one again: `kubectl uncordon NODE`. Or: Bring a node back that reaches the volume (its zone, its disk), or move the data into a new volume.
            "#]],
        );
        check(
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
            expect![[r#"
                No node of the cluster takes web: of 1, all wait for its volume, which is not there yet.
                `kubectl describe pvc` tells what the volume waits for.
            "#]],
        );
        check(
            "no nodes available to schedule pods",
            expect![[r#"
            No node of the cluster takes web: no nodes available to schedule pods.
            Ask for less under `resources`, take node labels out, or give the cluster a node that fits.
        "#]],
        );
    }
}
