//! What Pluvio may do on a cluster, in one place: the account's roles are made of it, and a credential is checked against it.

use serde_json::{Value, json};

/// Verbs on some resources of one API group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) group: &'static str,
    pub(crate) resources: &'static [&'static str],
    pub(crate) verbs: &'static [&'static str],
    pub(crate) objects: Objects,
    /// Without it Pluvio works, but for what is named.
    pub(crate) only_for: Option<&'static str>,
}

/// Which objects a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objects {
    /// All of the cluster: environments have namespaces of their own, which come and go.
    All,
    /// Those in Pluvio's own namespace.
    Home,
    /// Of the cluster, only the one called `HOME-gateway`.
    GatewayWide,
    /// In Pluvio's own namespace, only the one called `pluvio-gateway`.
    GatewayHome,
}

const WRITE: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];
const READ: &[&str] = &["get", "list", "watch"];

const fn everywhere(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule {
        group,
        resources,
        verbs,
        objects: Objects::All,
        only_for: None,
    }
}

impl Rule {
    const fn of(self, objects: Objects) -> Rule {
        Rule { objects, ..self }
    }
    const fn only_for(self, what: &'static str) -> Rule {
        Rule {
            only_for: Some(what),
            ..self
        }
    }

    pub(crate) fn name(&self, home: &str) -> Option<String> {
        match self.objects {
            Objects::All | Objects::Home => None,
            Objects::GatewayWide => Some(format!("{home}-gateway")),
            Objects::GatewayHome => Some("pluvio-gateway".to_owned()),
        }
    }

    fn is_wide(&self) -> bool {
        matches!(self.objects, Objects::All | Objects::GatewayWide)
    }

    fn body(&self, home: &str) -> Value {
        let mut body = json!({
            "apiGroups": [self.group], "resources": self.resources, "verbs": self.verbs,
        });
        if let Some(name) = self.name(home) {
            body["resourceNames"] = json!([name]);
        }
        body
    }
}

/// All that is needed, and why.
pub(crate) const RULES: &[Rule] = &[
    // Environments.
    everywhere(
        "",
        &["namespaces"],
        &["get", "list", "create", "patch", "delete"],
    ),
    everywhere("", &["resourcequotas", "limitranges"], &["list"])
        .only_for("seeing that a namespace holds some before it is deleted"),
    // What applications are made of.
    everywhere(
        "",
        &[
            "services",
            "secrets",
            "configmaps",
            "persistentvolumeclaims",
        ],
        WRITE,
    ),
    everywhere(
        "apps",
        &["deployments", "statefulsets", "daemonsets"],
        WRITE,
    ),
    everywhere("apps", &["replicasets"], READ).only_for("telling why the cluster refuses pods"),
    everywhere("batch", &["jobs", "cronjobs"], WRITE),
    everywhere("discovery.k8s.io", &["endpointslices"], WRITE),
    everywhere("networking.k8s.io", &["networkpolicies"], WRITE),
    everywhere("policy", &["poddisruptionbudgets"], WRITE),
    everywhere("autoscaling", &["horizontalpodautoscalers"], WRITE).only_for("autoscaling"),
    everywhere("gateway.networking.k8s.io", &["httproutes"], WRITE)
        .only_for("routes on the cluster's own gateway"),
    everywhere("networking.k8s.io", &["ingresses"], &["get", "list"]).only_for("showing Ingresses"),
    everywhere("gateway.networking.k8s.io", &["gateways"], &["get", "list"])
        .only_for("routes on the cluster's own gateway"),
    // What runs: hot files are told to pods by an annotation, and instances are ended one by one.
    everywhere("", &["pods"], &["get", "list", "watch", "patch", "delete"]),
    everywhere("", &["pods/log"], &["get"]),
    // Newer API servers ask for `create`, older ones for `get`, since a terminal is an upgraded GET.
    everywhere("", &["pods/exec", "pods/portforward"], &["get", "create"]),
    // What the cluster says about itself.
    everywhere("", &["nodes", "events"], READ),
    everywhere("storage.k8s.io", &["storageclasses"], READ),
    everywhere("metrics.k8s.io", &["pods", "nodes"], &["get", "list"])
        .only_for("showing what is used"),
    // Stages are replaced by version.
    everywhere("", &["secrets"], &["update"]).of(Objects::Home),
    // Pluvio's gateway: what it may read is granted by whoever installs it, who holds all of it already.
    everywhere(
        "",
        &["serviceaccounts"],
        &["get", "list", "create", "patch", "delete"],
    )
    .of(Objects::Home)
    .only_for("Pluvio's gateway in the cluster"),
    everywhere(
        "rbac.authorization.k8s.io",
        &["roles", "rolebindings"],
        &["get", "create", "patch", "delete"],
    )
    .of(Objects::GatewayHome)
    .only_for("Pluvio's gateway in the cluster"),
    everywhere(
        "rbac.authorization.k8s.io",
        &["clusterroles", "clusterrolebindings"],
        &["get", "create", "patch", "delete"],
    )
    .of(Objects::GatewayWide)
    .only_for("Pluvio's gateway in the cluster"),
];

/// What making the account takes besides.
pub(crate) const TO_MAKE_AN_ACCOUNT: &[Rule] = &[
    everywhere(
        "",
        &["serviceaccounts", "secrets"],
        &["get", "create", "patch"],
    )
    .of(Objects::Home),
    everywhere(
        "rbac.authorization.k8s.io",
        &["roles", "rolebindings"],
        &["create", "patch"],
    )
    .of(Objects::Home),
    everywhere(
        "rbac.authorization.k8s.io",
        &["clusterroles", "clusterrolebindings"],
        &["create", "patch"],
    ),
];

/// The rules of the account's ClusterRole.
pub(crate) fn wide(home: &str) -> Vec<Value> {
    let wide = RULES.iter().filter(|rule| rule.is_wide());
    wide.map(|rule| rule.body(home)).collect()
}

/// The rules of its Role in Pluvio's own namespace.
pub(crate) fn at_home(home: &str) -> Vec<Value> {
    let own = RULES.iter().filter(|rule| !rule.is_wide());
    own.map(|rule| rule.body(home)).collect()
}

/// One thing to ask a cluster whether it is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) group: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) subresource: Option<&'static str>,
    pub(crate) verb: &'static str,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) only_for: Option<&'static str>,
}

impl std::fmt::Display for Question {
    /// `create deployments.apps`, as `kubectl auth can-i` takes it.
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(out, ".{}", self.group)?;
        }
        if let Some(subresource) = self.subresource {
            write!(out, "/{subresource}")?;
        }
        if let Some(name) = &self.name {
            write!(out, " {name}")?;
        }
        if let Some(namespace) = &self.namespace {
            write!(out, " in {namespace}")?;
        }
        Ok(())
    }
}

pub(crate) fn questions(rules: &[Rule], home: &str) -> Vec<Question> {
    let mut all = Vec::new();
    for rule in rules {
        for resource in rule.resources {
            let (resource, subresource) = match resource.split_once('/') {
                Some((resource, sub)) => (resource, Some(sub)),
                None => (*resource, None),
            };
            for verb in rule.verbs {
                all.push(Question {
                    group: rule.group,
                    resource,
                    subresource,
                    verb,
                    namespace: (!rule.is_wide()).then(|| home.to_owned()),
                    name: rule.name(home),
                    only_for: rule.only_for,
                });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_granted_by_wildcard_nor_more_than_is_held() {
        for rule in RULES.iter().chain(TO_MAKE_AN_ACCOUNT) {
            let words = rule.resources.iter().chain(rule.verbs).chain([&rule.group]);
            for word in words {
                assert!(!word.contains('*'), "{rule:?}");
                assert!(
                    !["escalate", "bind", "impersonate", "deletecollection"].contains(word),
                    "{rule:?}"
                );
            }
        }
        for rule in RULES.iter().filter(|rule| rule.group.starts_with("rbac")) {
            assert!(rule.name("pluvio-system").is_some(), "{rule:?}");
        }
    }

    #[test]
    fn the_page_for_operators_names_every_permission() {
        let page = include_str!("../../../docs/operations/kubernetes-clusters.md");
        for rule in RULES {
            for resource in rule.resources {
                let verbs = rule.verbs.join(", ");
                let is_there = page
                    .lines()
                    .any(|line| line.contains(&format!("`{resource}`")) && line.contains(&verbs));
                assert!(is_there, "{resource}: {verbs}");
            }
        }
    }
}
