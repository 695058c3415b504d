//! Deployments, StatefulSets, DaemonSets, Jobs and CronJobs.

use pluvio_model::release::{DecidedComponent, DecidedTask, Strategy};
use pluvio_model::spec::{Kind, RestartPolicy};
use serde_json::{Value, json};

use super::api::{PodTemplate, Spec};
use super::config;
use super::pod::{escaped, seconds};
use super::{Lowering, Metadata, key};

/// A time that was missed is caught up with for a day, as on an engine.
const CATCH_UP: u32 = 24 * 60 * 60;
/// Runs by schedule that ended well, and those that did not, which are kept to be looked at.
const KEPT_RUNS: u32 = 10;

impl Lowering<'_> {
    pub(super) fn workload(&mut self, component: &DecidedComponent) {
        let pods = self.pods(component);
        let selector = json!({ "matchLabels": self.selector(Some(&component.name)) });
        let is_on = self.wish.is_on(&component.name);
        let replicas = match self.scale_of(component) {
            // Its autoscaler's.
            Some(_) => None,
            None => Some(if is_on { component.instances } else { 0 }),
        };
        match component.kind {
            // A database has one volume and is replaced by stopping it first: `strategy` says so.
            Kind::Service | Kind::Database => {
                let mut spec = json!({
                    "selector": selector,
                    "strategy": strategy(component),
                    "progressDeadlineSeconds": seconds(component.rollout.deadline).max(1),
                    "template": pods,
                });
                set_replicas(&mut spec, replicas);
                self.add_workload("apps/v1", "Deployment", component, &spec);
            }
            Kind::Stateful => {
                let mut spec = json!({
                    "serviceName": self.name_of(&component.name, "each"),
                    "selector": selector,
                    "podManagementPolicy": "OrderedReady",
                    "updateStrategy": { "type": "RollingUpdate" },
                    "template": pods,
                    "volumeClaimTemplates": self.claim_templates(component),
                });
                set_replicas(&mut spec, replicas);
                self.add_workload("apps/v1", "StatefulSet", component, &spec);
            }
            Kind::Daemon => {
                let mut spec = json!({
                    "selector": selector,
                    "updateStrategy": { "type": "RollingUpdate" },
                    "template": pods,
                });
                if !is_on {
                    // A DaemonSet has no count: stopped, it waits for a node that never comes.
                    spec["template"]["spec"]["nodeSelector"]["pluvio.io/stopped"] = json!("true");
                }
                self.add_workload("apps/v1", "DaemonSet", component, &spec);
            }
            Kind::Job => {
                let digits = &component.hash.as_str()[..8];
                let name = self.name_of(&component.name, digits);
                let metadata = self.workload_metadata(&name, component);
                let mut spec = job(component, pods);
                spec["suspend"] = json!(!is_on);
                self.add("batch/v1", "Job", metadata, &Spec { spec }, Some(component));
            }
            Kind::Cron => {
                let Some(schedule) = &component.schedule else {
                    return;
                };
                let spec = json!({
                    "schedule": schedule.cron,
                    "timeZone": schedule.time_zone.as_deref().unwrap_or("Etc/UTC"),
                    "concurrencyPolicy": if schedule.overlap { "Allow" } else { "Forbid" },
                    "suspend": !is_on,
                    "startingDeadlineSeconds": CATCH_UP,
                    "successfulJobsHistoryLimit": KEPT_RUNS,
                    "failedJobsHistoryLimit": KEPT_RUNS,
                    // Runs are found by the same labels.
                    "jobTemplate": {
                        "metadata": { "labels": self.selector(Some(&component.name)) },
                        "spec": job(component, pods),
                    },
                });
                self.add_workload("batch/v1", "CronJob", component, &spec);
            }
            // Refused by name.
            Kind::Vm | Kind::External => {}
        }
    }

    /// A release task is a Job named by its own content: the same runs once.
    pub(super) fn task(&mut self, component: &DecidedComponent, task: &DecidedTask) {
        let mut pods = self.pods(component);
        for container in &mut pods.spec.containers {
            container.command = escaped(Some(&task.command));
            container.args.clear();
            container.ports.clear();
            container.startup_probe = None;
            container.readiness_probe = None;
            container.liveness_probe = None;
            container.lifecycle = None;
        }
        // A program that comes to an end has none.
        pods.spec
            .init_containers
            .retain(|one| one.restart_policy.is_none());
        // Else the component's Service would find it.
        pods.metadata.labels.shift_remove(key::COMPONENT);
        pods.spec.restart_policy = Some("Never");
        let name = self.name_of(
            &component.name,
            &format!("task-{}", &task.hash.as_str()[..8]),
        );
        let metadata = self.workload_metadata(&name, component);
        let spec = json!({
            "backoffLimit": 0,
            "activeDeadlineSeconds": seconds(task.timeout).max(1),
            "template": pods,
        });
        self.add("batch/v1", "Job", metadata, &Spec { spec }, Some(component));
    }

    fn add_workload(
        &mut self,
        api_version: &str,
        kind: &str,
        component: &DecidedComponent,
        spec: &Value,
    ) {
        let name = self.name(&component.name);
        let metadata = self.workload_metadata(&name, component);
        self.add(api_version, kind, metadata, &Spec { spec }, Some(component));
    }

    fn workload_metadata(&self, name: &str, component: &DecidedComponent) -> Metadata {
        let mut metadata = self.metadata(name, Some(component));
        for (key, value) in [
            (key::RELEASE, self.release.number.to_string()),
            (key::GENERATION, self.generation.to_string()),
        ] {
            metadata.annotations.insert(key.to_owned(), value);
        }
        metadata
    }

    fn claim_templates(&self, component: &DecidedComponent) -> Vec<Value> {
        config::disks(component)
            .iter()
            .filter_map(|name| {
                let volume = self.release.volumes.get(name)?;
                config::is_each_instances_own(component, volume).then(|| {
                    json!({
                        "metadata": { "name": name, "labels": self.selector(Some(&component.name)) },
                        "spec": config::claim_spec(volume, self.options),
                    })
                })
            })
            .collect()
    }
}

fn set_replicas(spec: &mut Value, replicas: Option<u32>) {
    if let (Some(replicas), Some(spec)) = (replicas, spec.as_object_mut()) {
        spec.shift_insert(0, "replicas".to_owned(), json!(replicas));
    }
}

fn strategy(component: &DecidedComponent) -> Value {
    match component.rollout.strategy {
        // Of a StatefulSet, which needs no such words.
        Strategy::StopThenStart | Strategy::Ordered => json!({ "type": "Recreate" }),
        Strategy::Surge { surge, unavailable } => json!({
            "type": "RollingUpdate",
            "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable },
        }),
    }
}

fn job(component: &DecidedComponent, mut pods: PodTemplate) -> Value {
    // Kubernetes starts no finished container again; `always` means until it ends well.
    let (policy, tries) = match component.content.restart {
        RestartPolicy::Never => ("Never", 0),
        RestartPolicy::OnFailure | RestartPolicy::Always => ("OnFailure", 6),
    };
    pods.spec.restart_policy = Some(policy);
    json!({ "backoffLimit": tries, "template": pods })
}
