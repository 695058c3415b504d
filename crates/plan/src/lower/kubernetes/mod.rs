//! A stage as Kubernetes objects, to be applied by server-side apply. Names are stable, selectors hold ids only, content that
//! pods read once (secrets, cold files) is named by the component's content, so that old and new pods run side by side.
//!
//! | what | becomes |
//! | --- | --- |
//! | `service`, `stateful`, `daemon`, `job`, `cron` | Deployment, StatefulSet, DaemonSet, Job (named by its content), CronJob |
//! | `scale` by figures | a HorizontalPodAutoscaler; its workload has no `replicas` |
//! | ports | a Service `APP--COMPONENT`; for `stateful` a headless one beside it |
//! | variables and files with secrets | a Secret; other files a ConfigMap; hot files one of a stable name |
//! | `external` | a Service without selector and EndpointSlices, or an ExternalName |
//! | volumes | PersistentVolumeClaims; claim templates for the exclusive ones of `stateful` |
//! | who reaches pods | NetworkPolicies: the application itself, whoever serves routes, ports of the machine |
//! | routes | an HTTPRoute for each |
//! | inner names | a headless Service without selector, `APP`; whoever applies writes its EndpointSlice, whose addresses are observed |
//! | inner names with dots | an annotation of the pods that ask for them; whoever applies writes `hostAliases` |
//!
//! Deliberately absent: handing `replicas` over to an autoscaler, pruning and drift, which belong to whoever applies; limits on the number
//! of processes, which are a node's setting on Kubernetes.

mod api;
mod config;
mod external;
mod hooks;
mod hosts;
mod labels;
mod names;
mod network;
mod placement;
mod pod;
mod refuse;
mod scale;
mod security;
mod seed;
mod workload;

use indexmap::IndexMap;
use pluvio_model::id::{ApplicationId, Generation};
use pluvio_model::name::{Name, derived};
use pluvio_model::problem::{Problem, SECRET_MISSING, SPEC_INVALID};
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::stage::RunWish;
use pluvio_model::template::{Rendered, SecretRef};
use serde::Serialize;
use serde_json::{Value, json};

use super::merge::merge;

pub use api::{GatewayRef, Metadata};
pub use names::{InnerName, inner_names};
pub use security::{Dns, DnsPort, Level};

/// Where and how the objects are placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub namespace: String,
    /// Whether the namespace itself is among the objects.
    pub make_namespace: bool,
    /// The Gateway that routes attach to. `None`: no HTTPRoutes.
    pub gateway: Option<GatewayRef>,
    /// The namespace of Pluvio's own gateway, whose pods reach applications. `None`: routes are served by pods that only the
    /// cluster knows.
    pub own_gateway: Option<String>,
    /// The Secret of the namespace with which images are pulled; none: the nodes pull as they are set up.
    pub pull_secret: Option<String>,
    /// For volumes that name no class; none: the cluster's default.
    pub storage_class: Option<String>,
    /// The cluster's DNS domain, `cluster.local`.
    pub cluster_domain: String,
    /// Whom networks without a way out may ask for names; any pod when it is not known.
    pub dns: Option<Dns>,
    /// Whether the namespace takes only what the pod security standard `restricted` allows.
    pub restricted: bool,
    /// Write each secret as its reference instead of its value: for people to read, not to apply.
    pub masked: bool,
}

impl Options {
    /// For people to read before there is a cluster: usual names, secrets as references.
    pub fn for_reading(release: &Release) -> Options {
        Options {
            namespace: namespace(release.team.as_str(), release.environment.as_str()),
            make_namespace: true,
            gateway: Some(GatewayRef {
                name: "pluvio".to_owned(),
                namespace: "pluvio-system".to_owned(),
            }),
            own_gateway: Some("pluvio-system".to_owned()),
            pull_secret: None,
            storage_class: None,
            cluster_domain: "cluster.local".to_owned(),
            dns: None,
            restricted: false,
            masked: true,
        }
    }
}

/// An object, complete, the user's patches merged in. Serialises as its body. The body of a Secret holds values: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    pub api_version: String,
    pub kind: String,
    /// `None` for what belongs to no namespace.
    pub namespace: Option<String>,
    pub name: String,
    pub body: Value,
}

impl Serialize for Object {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.body.serialize(to)
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "{} {}", self.kind, self.name)
    }
}

/// Keys of labels and annotations.
pub mod key {
    pub const APPLICATION: &str = "pluvio.io/application";
    pub const COMPONENT: &str = "pluvio.io/component";
    /// Annotation: the component's content hash. A change replaces pods.
    pub const HASH: &str = "pluvio.io/hash";
    /// Label of pods: what a network that applications share begins with; the network's name follows.
    pub const SHARED: &str = "network.pluvio.io/";
    /// Annotation of pods: those of the component's own labels that Kubernetes has no form for, as a JSON object.
    pub const LABELS: &str = "pluvio.io/labels";
    /// Annotation of pods: names with dots that their programs ask, each with the Service that it leads to, as a JSON object. Whoever
    /// applies writes them into `/etc/hosts`, with addresses that are known once the Services are there.
    pub const HOSTS: &str = "pluvio.io/hosts";
    /// Annotations, for people.
    pub const RELEASE: &str = "pluvio.io/release";
    pub const GENERATION: &str = "pluvio.io/generation";
    pub const VOLUME_ID: &str = "pluvio.io/volume-id";
    /// Annotation: a volume's name in its application.
    pub const VOLUME_NAME: &str = "pluvio.io/volume";
}

/// Lowers a stage. What Kubernetes cannot do is refused by name, with its path in the specification.
pub fn kubernetes(
    wish: &RunWish,
    application: ApplicationId,
    generation: Generation,
    options: &Options,
) -> Result<Vec<Object>, Vec<Problem>> {
    let release = &wish.release;
    let named: Vec<&DecidedComponent> = wish
        .components
        .iter()
        .filter_map(|name| release.components.get(name))
        .collect();
    // Of every component, whether its turn has come or not: nothing shall have run for a release that cannot be done.
    let all: Vec<&DecidedComponent> = release.components.values().collect();
    let mut problems = refuse::unsupported(release, &all);
    if options.restricted {
        problems.extend(refuse::beyond_restricted(release, &all));
    }
    problems.extend(release.externals.values().flat_map(external::unsupported));
    let mut lowering = Lowering {
        wish,
        release,
        application,
        generation,
        options,
        objects: Vec::new(),
        missing: Vec::new(),
    };
    lowering.application();
    for component in &named {
        lowering.config(component);
        lowering.workload(component);
        lowering.autoscaler(component);
        lowering.services(component);
    }
    for external in release.externals.values() {
        lowering.external(external);
    }
    lowering.routes();
    lowering.raw(&mut problems);
    let mut missing = std::mem::take(&mut lowering.missing);
    missing.sort();
    missing.dedup();
    problems.extend(missing.iter().map(|secret| {
        SECRET_MISSING.problem(
            format!(
                "The value of the secret {} (version {}) is not at hand.",
                secret.name, secret.version
            ),
            format!(
                "Set it anew with `pluvio secret set {}`, then deploy.",
                secret.name
            ),
        )
    }));
    if problems.is_empty() {
        Ok(lowering.objects)
    } else {
        Err(problems)
    }
}

/// The namespace of a team's environment: `TEAM--ENVIRONMENT`.
pub fn namespace(team: &str, environment: &str) -> String {
    derived(&[team, environment])
}

/// The name of what an application has once: `APP`.
pub fn application_object(release: &Release) -> String {
    derived(&[release.application_name.as_str()])
}

/// The name of a component's workload and of its Service: `APP--COMPONENT`.
pub fn component_object(release: &Release, component: &Name) -> String {
    derived(&[release.application_name.as_str(), component.as_str()])
}

/// The Service of one instance that has a name of its own: `APP--COMPONENT--ORDINAL`.
pub fn instance_object(release: &Release, component: &Name, ordinal: u32) -> String {
    derived(&[
        release.application_name.as_str(),
        component.as_str(),
        &ordinal.to_string(),
    ])
}

/// How many instances with names of their own there may be; none of a component without such.
pub fn named_instances(component: &DecidedComponent) -> u32 {
    if component.kind != pluvio_model::spec::Kind::Stateful || component.content.ports.is_empty() {
        return 0;
    }
    let scale = component.scale.as_ref().and_then(|scale| scale.max);
    component.instances.max(scale.unwrap_or(0))
}

/// The Job of a component's release task; `None` if it has none.
pub fn release_task(
    wish: &RunWish,
    component: &Name,
    application: ApplicationId,
    generation: Generation,
    options: &Options,
) -> Option<Vec<Object>> {
    let component = wish.release.components.get(component)?;
    let task = component.content.release_task.as_ref()?;
    let mut lowering = Lowering {
        wish,
        release: &wish.release,
        application,
        generation,
        options,
        objects: Vec::new(),
        missing: Vec::new(),
    };
    lowering.config(component);
    lowering.task(component, task);
    Some(lowering.objects)
}

struct Lowering<'a> {
    wish: &'a RunWish,
    release: &'a Release,
    application: ApplicationId,
    generation: Generation,
    options: &'a Options,
    objects: Vec<Object>,
    /// Secrets without a value.
    missing: Vec<SecretRef>,
}

impl Lowering<'_> {
    /// What the application has once.
    fn application(&mut self) {
        if self.options.make_namespace {
            let mut metadata = Metadata {
                namespace: None,
                ..self.metadata(&self.options.namespace, None)
            };
            metadata
                .labels
                .extend(Level::of(self.release, self.options.restricted).labels());
            self.add("v1", "Namespace", metadata, &json!({}), None);
        }
        self.inner_names();
        self.network_policies();
    }

    /// Labels that find what is the application's, or a component's.
    fn selector(&self, component: Option<&Name>) -> IndexMap<String, String> {
        let mut labels = IndexMap::new();
        labels.insert(key::APPLICATION.to_owned(), self.application.to_string());
        if let Some(component) = component {
            labels.insert(key::COMPONENT.to_owned(), component.to_string());
        }
        labels
    }

    fn metadata(&self, name: &str, component: Option<&DecidedComponent>) -> Metadata {
        let mut labels = self.selector(component.map(|component| &component.name));
        for (key, value) in [
            ("app.kubernetes.io/managed-by", "pluvio"),
            (
                "app.kubernetes.io/part-of",
                self.release.application_name.as_str(),
            ),
        ] {
            labels.insert(key.to_owned(), value.to_owned());
        }
        if let Some(component) = component {
            labels.insert(
                "app.kubernetes.io/name".to_owned(),
                component.name.to_string(),
            );
        }
        Metadata {
            name: name.to_owned(),
            namespace: Some(self.options.namespace.clone()),
            labels,
            annotations: IndexMap::new(),
        }
    }

    fn name(&self, component: &Name) -> String {
        component_object(self.release, component)
    }

    /// `APP--COMPONENT--WHAT`
    fn name_of(&self, component: &Name, what: &str) -> String {
        derived(&[
            self.release.application_name.as_str(),
            component.as_str(),
            what,
        ])
    }

    /// Something that only pods of this content read.
    fn name_by_content(&self, component: &DecidedComponent, what: &str) -> String {
        let digits = &component.hash.as_str()[..8];
        self.name_of(&component.name, &format!("{what}-{digits}"))
    }

    /// The text with its secrets put in, or named if the objects are for people.
    fn resolve(&mut self, text: &Rendered) -> String {
        if self.options.masked {
            return text.masked();
        }
        match text.resolve(|secret| self.wish.secret(secret)) {
            Ok(text) => text,
            Err(secret) => {
                let secret = secret.clone();
                self.missing.push(secret);
                String::new()
            }
        }
    }

    /// Adds an object: `body` is what it has besides type and metadata.
    fn add(
        &mut self,
        api_version: &str,
        kind: &str,
        metadata: Metadata,
        body: &impl Serialize,
        component: Option<&DecidedComponent>,
    ) {
        let name = metadata.name.clone();
        let namespace = metadata.namespace.clone();
        let mut whole = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
        merge(
            &mut whole,
            &serde_json::to_value(body).expect("our structs serialise"),
        );
        let patch = component.and_then(|component| component.content.patch.as_ref());
        for patch in patch.into_iter().flat_map(|patch| &patch.kubernetes) {
            if applies(patch, kind, &name) {
                merge(&mut whole, patch);
            }
        }
        self.objects.push(Object {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace,
            name,
            body: whole,
        });
    }

    /// The user's own objects, marked as the application's.
    fn raw(&mut self, problems: &mut Vec<Problem>) {
        for (index, object) in self.release.objects.iter().enumerate() {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            let known = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
            let (Some(api_version), Some(kind), Some(name)) = known else {
                problems.push(
                    SPEC_INVALID
                        .problem(
                            "A Kubernetes object lacks `apiVersion`, `kind` or `metadata.name`.",
                            "Write all three.",
                        )
                        .path(format!("objects.{index}")),
                );
                continue;
            };
            let mut body = object.clone();
            let labels = self.selector(None);
            merge(&mut body, &json!({ "metadata": { "labels": labels } }));
            if text("/metadata/namespace").is_none() {
                merge(
                    &mut body,
                    &json!({ "metadata": { "namespace": self.options.namespace } }),
                );
            }
            self.objects.push(Object {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                namespace: body
                    .pointer("/metadata/namespace")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                name: name.to_owned(),
                body,
            });
        }
    }
}

/// A patch names the kind it is for, and may name the object.
fn applies(patch: &Value, kind: &str, name: &str) -> bool {
    let named = patch.pointer("/metadata/name").and_then(Value::as_str);
    patch["kind"].as_str() == Some(kind) && named.is_none_or(|named| named == name)
}

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
