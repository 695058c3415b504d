//! The scheduler's reasons in plain words. Its message counts nodes by reason:
//! `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: …`
//! (Source: `FitError.Error` in k8s.io/kubernetes/pkg/scheduler/framework/types.go; the reasons are its plugins' own.)

use std::collections::BTreeMap;

use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};

/// How a reason begins, in plain words behind the number of nodes, and what helps.
#[rustfmt::skip]
const REASONS: &[(&str, &str, &str)] = &[
    ("Insufficient cpu", "with too little CPU left", RESOURCES),
    ("Insufficient memory", "with too little memory left", RESOURCES),
    ("Insufficient ephemeral-storage", "with too little disk left", RESOURCES),
    ("Too many pods", "with as many pods as they take", ANOTHER),
    ("node(s) had taints that the pod didn't tolerate", RESERVED, TAINT),
    ("node(s) were unschedulable", CORDONED, UNCORDON),
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

/// Taints that the cluster itself gives a node that is not well, behind `node.kubernetes.io/`. No pod is for such a node: `reserved`
/// would start it where it is thrown out again. (Source: kubernetes.io/docs/reference/labels-annotations-taints.)
#[rustfmt::skip]
const UNWELL: &[(&str, &str, &str)] = &[
    ("disk-pressure", "short of disk space", "Free disk space on the node (images that nobody uses, logs), or give it a larger disk; it takes pods again by itself."),
    ("memory-pressure", "short of memory", "End something on the node, or give the cluster another one; it takes pods again by itself."),
    ("pid-pressure", "short of process ids", "End what starts so many processes on the node; it takes pods again by itself."),
    ("not-ready", "not ready", "See what `kubectl describe node NODE` says: its kubelet, its container runtime or its network plugin does not run."),
    ("unreachable", "not reached by the cluster", "Bring the node back: its machine is off, its kubelet does not run, or its network is cut."),
    ("network-unavailable", "without a network yet", "Look at the cluster's network plugin on that node (`kubectl get pods -A -o wide`)."),
    ("out-of-service", "marked as out of service", "When it is back, take the mark away: `kubectl taint nodes NODE node.kubernetes.io/out-of-service-`."),
    ("unschedulable", CORDONED, UNCORDON),
];

const CORDONED: &str = "closed for new pods (cordoned)";
const UNCORDON: &str = "Open one again: `kubectl uncordon NODE`.";
const RESOURCES: &str =
    "Ask for less under `resources`, end something else, or give the cluster a node that fits.";
const ANOTHER: &str = "Give the cluster another node, or run less on it.";
const TAINT: &str = "Name the taint's key under `placement.reserved`, take it away (`kubectl taint nodes NODE KEY-`), or give the cluster a node without.";
const RESERVED: &str = "kept for others by a taint";
const OTHERWISE: &str = "marked as unwell by the cluster";
const DESCRIBE: &str = "See what `kubectl describe node NODE` says under Taints and Conditions.";
const LABELS: &str = "Take node labels out of `placement`, or label a node so: `kubectl label nodes NODE KEY=VALUE`.";
const SPREAD: &str = "Ask for fewer instances, or give the cluster another node.";
const VOLUME: &str = "Bring a node back that reaches the volume (its zone, its disk), or move the data into a new volume.";
const GENERAL: &str =
    "Ask for less under `resources`, take node labels out, or give the cluster a node that fits.";

/// What a user is told of a pod that no node takes. The scheduler's own words are the evidence. `taints`: the keys of each node that has
/// some, for the versions that do not name them.
pub(crate) fn no_room(component: &Name, message: &str, taints: &[Vec<String>]) -> Problem {
    let message = message.trim_end_matches('.');
    let Some((count, reasons)) = message.split_once(" nodes are available: ") else {
        return told(component, message, GENERAL);
    };
    let all = count.rsplit('/').next().unwrap_or(count);
    let reasons = before(before(reasons, " preemption:"), " no new claims");
    let mut remedies: Vec<&str> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let reasons = parts(reasons.trim_end_matches(['.', ' ', ',']));
    for (word, help) in reasons.into_iter().flat_map(|one| worded(one, taints)) {
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

/// A reason in plain words, and what helps.
type Worded = (String, Option<&'static str>);

/// `2 Insufficient cpu`
fn worded(reason: &str, taints: &[Vec<String>]) -> Vec<Worded> {
    if reason.contains("unbound immediate PersistentVolumeClaims") {
        let help = "`kubectl describe pvc` tells what the volume waits for.";
        return vec![(
            "all wait for its volume, which is not there yet".to_owned(),
            Some(help),
        )];
    }
    let counted = reason.split_once(' ');
    let counted = counted.and_then(|(count, why)| Some((count.parse::<usize>().ok()?, why)));
    let Some((count, why)) = counted else {
        return vec![(reason.to_owned(), None)];
    };
    if let Some(which) = why.strip_prefix("node(s) had untolerated taint") {
        return tainted(count, which, taints);
    }
    if let Some((_, words, help)) = REASONS.iter().find(|(begin, ..)| why.starts_with(begin)) {
        return vec![(format!("{count} {words}"), Some(*help))];
    }
    vec![match why.strip_prefix("Insufficient ") {
        Some(resource) => (
            format!("{count} with too little {resource} left"),
            Some(RESOURCES),
        ),
        None => (format!("{count} {why}"), None),
    }]
}

/// `which`: ` {node.kubernetes.io/disk-pressure: }` where the scheduler names the taint, and `(s)` where it does not.
fn tainted(count: usize, which: &str, taints: &[Vec<String>]) -> Vec<Worded> {
    let named = which.trim_start().strip_prefix('{');
    if let Some(named) = named.and_then(|named| named.strip_suffix('}')) {
        let keys = named.split(", ").map(|one| before(one, ":"));
        return vec![match unwell(keys) {
            Some((words, help)) => (format!("{count} {words}"), Some(help)),
            None => (format!("{count} {RESERVED}"), Some(TAINT)),
        }];
    }
    let mut by_words: BTreeMap<(&'static str, &'static str), usize> = BTreeMap::new();
    for keys in taints {
        if let Some(found) = unwell(keys.iter().map(String::as_str)) {
            *by_words.entry(found).or_default() += 1;
        }
    }
    let (mut all, mut left) = (Vec::new(), count);
    for ((words, help), there) in by_words {
        let there = there.min(left);
        left -= there;
        if there > 0 {
            all.push((format!("{there} {words}"), Some(help)));
        }
    }
    if left > 0 {
        all.push((format!("{left} {RESERVED}"), Some(TAINT)));
    }
    all
}

/// What the first of the cluster's own taints among these says of a node.
fn unwell<'a>(mut keys: impl Iterator<Item = &'a str>) -> Option<(&'static str, &'static str)> {
    keys.find_map(|key| {
        let kind = key.strip_prefix("node.kubernetes.io/")?;
        let known = UNWELL.iter().find(|(one, ..)| *one == kind);
        Some(known.map_or((OTHERWISE, DESCRIBE), |(_, words, help)| (*words, *help)))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::no_room;

    fn check(message: &str, expected: Expect) {
        check_with(message, &[], expected);
    }

    /// Where each node has those taints.
    fn check_with(message: &str, taints: &[&[&str]], expected: Expect) {
        let owned =
            |keys: &&[&str]| -> Vec<String> { keys.iter().map(|key| (*key).to_owned()).collect() };
        let taints: Vec<Vec<String>> = taints.iter().map(owned).collect();
        let problem = no_room(&"web".parse().unwrap(), message, &taints);
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

    #[test]
    fn a_node_that_is_not_well_is_not_one_to_be_reserved() {
        check(
            "0/2 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }, 1 node(s) were unschedulable. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            expect![[r#"
                No node of the cluster takes web: of 2, 1 short of disk space, 1 closed for new pods (cordoned).
                Free disk space on the node (images that nobody uses, logs), or give it a larger disk; it takes pods again by itself. Or: Open one again: `kubectl uncordon NODE`.
            "#]],
        );
        check(
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/something-new: }.",
            expect![[r#"
                No node of the cluster takes web: of 1, 1 marked as unwell by the cluster.
                See what `kubectl describe node NODE` says under Taints and Conditions.
            "#]],
        );
        // Newer schedulers name no taint.
        let unnamed = "0/3 nodes are available: 3 node(s) had untolerated taint(s).";
        let unwell: [&[&str]; 3] = [
            &["team", "node.kubernetes.io/memory-pressure"],
            &["node.kubernetes.io/unreachable"],
            &["team"],
        ];
        check_with(
            unnamed,
            &unwell,
            expect![[r#"
                No node of the cluster takes web: of 3, 1 not reached by the cluster, 1 short of memory, 1 kept for others by a taint.
                Bring the node back: its machine is off, its kubelet does not run, or its network is cut. Or: End something on the node, or give the cluster another one; it takes pods again by itself. Or: Name the taint's key under `placement.reserved`, take it away (`kubectl taint nodes NODE KEY-`), or give the cluster a node without.
            "#]],
        );
    }
}
