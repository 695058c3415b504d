//! Which machines of a cluster instances would rather run on.

use pluvio_model::{
    name::Name,
    problem::{Problem, SPEC_CONFLICT, SPEC_INVALID, SPEC_UNKNOWN_REFERENCE, SPEC_UNSUPPORTED},
    release::DecidedPlacement,
    spec::{AppSpec, ComponentSpec, Kind},
};

pub(super) fn decide(component: &ComponentSpec) -> DecidedPlacement {
    let Some(asked) = &component.placement else {
        return DecidedPlacement::default();
    };
    DecidedPlacement {
        spread: asked.spread == Some(true),
        near: asked.near.clone(),
        apart: asked.apart.clone(),
        reserved: asked.reserved.clone(),
    }
}

/// What cannot be meant.
pub(super) fn wrong(spec: &AppSpec, name: &Name, component: &ComponentSpec) -> Vec<Problem> {
    let mut found = Vec::new();
    let Some(asked) = &component.placement else {
        return found;
    };
    let path = |key: &str| format!("components.{name}.placement.{key}");
    if !asked.clusters.is_empty() {
        found.push(
            SPEC_UNSUPPORTED
                .problem(
                    format!("{name} asks for `placement.clusters`; an application runs on one cluster in this version."),
                    "Take `clusters` out.",
                )
                .path(path("clusters")),
        );
    }
    for (key, others) in [("near", &asked.near), ("apart", &asked.apart)] {
        for (index, other) in others.iter().enumerate() {
            let path = path(&format!("{key}.{index}"));
            match spec.components.get(other).map(|other| other.kind) {
                None => found.push(
                    SPEC_UNKNOWN_REFERENCE
                        .problem(
                            format!("{name} is placed by {other}, and there is no such component."),
                            "Name a component of this application.",
                        )
                        .path(path),
                ),
                Some(Kind::External) => found.push(
                    SPEC_INVALID
                        .problem(
                            format!("{name} is placed by {other}, which runs elsewhere."),
                            "Name a component that has instances.",
                        )
                        .path(path),
                ),
                Some(_) if other == name => found.push(
                    SPEC_INVALID
                        .problem(
                            format!("{name} is placed by itself."),
                            "To put its instances on different machines, write `spread: true`.",
                        )
                        .path(path),
                ),
                Some(_) => {}
            }
        }
    }
    for (index, other) in asked.apart.iter().enumerate() {
        if asked.near.contains(other) {
            found.push(
                SPEC_CONFLICT
                    .problem(
                        format!("{name} is to be near {other} and apart from it."),
                        "Take one of both out.",
                    )
                    .path(path(&format!("apart.{index}"))),
            );
        }
    }
    for (map, pairs) in [
        ("nodeLabels", &asked.node_labels),
        ("reserved", &asked.reserved),
    ] {
        for (key, value) in pairs {
            if !is_key(key) || !(value.is_empty() || is_word(value)) {
                found.push(
                    SPEC_INVALID
                        .problem(
                            format!("{name} names machines by {key:?}: {value:?}, which no cluster can have."),
                            "Keys are like `disk` or `example.com/disk`; both parts and values have at most 63 letters, digits, `-`, `_` and `.`.",
                        )
                        .path(path(map)),
                );
            }
        }
    }
    for key in asked.reserved.keys().filter(|key| is_out_of_use(key)) {
        found.push(
            SPEC_INVALID
                .problem(
                    format!(
                        "{name} would run on machines that the cluster takes out of use ({key})."
                    ),
                    "Name the key that the machines were reserved by.",
                )
                .path(path(&format!("reserved.{key}"))),
        );
    }
    found
}

/// Taints that the cluster itself, its cloud or its autoscaler gives to machines that are not ready, or about to go.
pub fn is_out_of_use(taint: &str) -> bool {
    let of_the_cluster = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];
    let of_autoscalers = [
        "ToBeDeletedByClusterAutoscaler",
        "DeletionCandidateOfClusterAutoscaler",
    ];
    of_the_cluster
        .iter()
        .any(|domain| taint.starts_with(domain))
        || of_autoscalers.contains(&taint)
}

/// Kubernetes' rule for the keys of labels and taints.
fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, word)) => pluvio_model::name::is_host_name(domain) && is_word(word),
        None => is_word(key),
    }
}

/// Kubernetes' rule for the values of labels.
fn is_word(word: &str) -> bool {
    let end = |of: Option<char>| of.is_some_and(|of| of.is_ascii_alphanumeric());
    word.len() <= 63
        && end(word.chars().next())
        && end(word.chars().next_back())
        && word
            .chars()
            .all(|of| of.is_ascii_alphanumeric() || matches!(of, '-' | '_' | '.'))
}
