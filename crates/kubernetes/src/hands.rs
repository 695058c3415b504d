//! The pods in which `pluvio hand` reaches into volumes: each mounts the claims that it is for and nothing else.
//!
//! They are made by Jobs: the cluster removes one that has ended, though nobody of ours may be left to do it, and begins a copy
//! anew whose node went away. A volume that only one node may have at a time is reached on the node whose pods use it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use pluvio_model::name::{Name, derived};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::DecidedContainer;
use pluvio_model::stage::Wish;
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::hand::{BEGINNINGS, FROM, RIGHTS, TO, VOLUME};
use pluvio_runtime::{
    Copied, CopyLine, CopyState, CopyVolume, ExecSession, HandVerb, Program, RuntimeError,
};
use serde_json::{Value, json};

use crate::cache::application;
use crate::exec::{run, session};
use crate::failure::{is_not_found, is_there, of_object, runtime_error};
use crate::pull;
use crate::{KubernetesRuntime, MANAGER};

/// Label of Jobs and pods: what they do.
pub(crate) const HAND: &str = "pluvio.io/hand";
const REACH: &str = "reach";
const COPY: &str = "copy";
const OF_JOB: &str = "batch.kubernetes.io/job-name";
/// For how many seconds a pod waits for more. A volume of one node is not kept from others for longer.
const IDLE: &str = "30";
/// How long a pod may take until it runs: its image may have to be pulled, its volume to be made.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who reaches into a volume whose component is not known any more, where root may not: the user of what Pluvio builds. Storage
/// drivers give the volume to its group.
const USER: u32 = 10_001;
/// For how many seconds a claim without a volume is nothing to tell of.
const VOLUME_IS_MADE: i64 = 45;
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn is_hand(pod: &Pod) -> bool {
    pod.labels().contains_key(HAND)
}

/// A Job to be made.
struct Task<'a> {
    name: String,
    role: &'static str,
    image: &'a str,
    arguments: Vec<&'a str>,
    /// Claim, place, and whether it is only read.
    mounts: Vec<(String, &'static str, bool)>,
    node: Option<String>,
    /// Where the namespace takes only what `restricted` allows: as whom it runs, without the rights to any owner's files.
    user: Option<(u32, u32)>,
}

impl Task<'_> {
    fn job(&self) -> Job {
        let volumes = self.mounts.iter().map(|(claim, path, _)| {
            json!({ "name": &path[1..], "persistentVolumeClaim": { "claimName": claim } })
        });
        let mounts = self.mounts.iter().map(|(_, path, read_only)| {
            json!({ "name": &path[1..], "mountPath": path, "readOnly": read_only })
        });
        let mut command = vec![Program::IN_IMAGE, "hand"];
        command.extend(&self.arguments);
        let is_copy = self.role == COPY;
        let affinity = self.node.as_ref().map(|node| {
            let field = json!({ "key": "metadata.name", "operator": "In", "values": [node] });
            json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{ "matchFields": [field] }],
            } } })
        });
        let labels = json!({ "app.kubernetes.io/managed-by": MANAGER, HAND: self.role });
        let rights = if self.user.is_none() {
            &RIGHTS[..]
        } else {
            &[]
        };
        let (user, group) = self.user.unwrap_or_default();
        let mut job = json!({
            "metadata": { "name": self.name, "labels": labels },
            "spec": {
                "backoffLimit": if is_copy { BEGINNINGS - 1 } else { 0 },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        "restartPolicy": "Never",
                        "terminationGracePeriodSeconds": 1,
                        "automountServiceAccountToken": false,
                        "enableServiceLinks": false,
                        "imagePullSecrets": [{ "name": pull::SECRET }],
                        "affinity": affinity,
                        // Where the application's own pods may run, those that reach into its volumes must.
                        "tolerations": [{ "operator": "Exists" }],
                        "securityContext": {
                            "runAsUser": user,
                            "runAsGroup": group,
                            "runAsNonRoot": self.user.is_some(),
                            "fsGroup": self.user.map(|(_, group)| group),
                            "fsGroupChangePolicy": self.user.map(|_| "OnRootMismatch"),
                            "seccompProfile": { "type": "RuntimeDefault" },
                        },
                        "containers": [{
                            "name": "hand",
                            "image": self.image,
                            "command": command,
                            "resources": {
                                "requests": { "cpu": "10m", "memory": "32Mi" },
                                "limits": { "memory": "256Mi" },
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": false,
                                "readOnlyRootFilesystem": true,
                                "capabilities": { "drop": ["ALL"], "add": rights },
                            },
                            "volumeMounts": mounts.collect::<Vec<Value>>(),
                        }],
                        "volumes": volumes.collect::<Vec<Value>>(),
                    },
                },
            },
        });
        if is_copy {
            // What the program itself gives up is not tried again: a full disk stays full.
            job["spec"]["podFailurePolicy"] = json!({ "rules": [{
                "action": "FailJob",
                "onExitCodes": { "containerName": "hand", "operator": "In", "values": [1] },
            }] });
        } else {
            job["spec"]["ttlSecondsAfterFinished"] = json!(0);
        }
        serde_json::from_value(job).expect("a Job")
    }
}

impl KubernetesRuntime {
    /// The image of Pluvio's own program as the nodes pull it where this claim is: among its team's images.
    async fn program(&self, claim: &PersistentVolumeClaim) -> Result<String, RuntimeError> {
        let config = &self.shared().config;
        if let Some(program) = &config.program {
            return Ok(program.clone());
        }
        let Some(pulls) = &config.pulls else {
            return Err(RuntimeError::Refused(problem::IMAGES_NOT_SERVED.problem(
                "The cluster has no image of Pluvio's own program, which reaches into volumes.",
                "Set `images.listen` in pluvio.toml to an address that the cluster's nodes reach, and restart Pluvio.",
            )));
        };
        let team = self.team(claim).unwrap_or_else(|| pulls.home());
        pulls.program(&team).await.map_err(RuntimeError::Refused)
    }

    fn team(&self, claim: &PersistentVolumeClaim) -> Option<Name> {
        let application = application(claim).and_then(|id| self.application(id));
        let team = application.and_then(|one| match &one.view().stage.wish {
            Wish::Run(wish) => Some(wish.release.team.clone()),
            Wish::Gone => None,
        });
        // Of an application that is gone its namespace tells, which is TEAM--ENVIRONMENT.
        let told = || {
            let namespace = claim.namespace()?;
            namespace.split_once("--")?.0.parse().ok()
        };
        team.or_else(told)
    }

    /// As whom the volume is reached where root may not come: its component's user, whose its files are.
    fn user(&self, claim: &PersistentVolumeClaim) -> Option<(u32, u32)> {
        let team = self.team(claim)?;
        if !self.shared().config.is_restricted(&team) {
            return None;
        }
        let volume = claim.annotations().get(key::VOLUME_NAME);
        let application = application(claim).and_then(|id| self.application(id));
        let theirs = application.and_then(|one| match &one.view().stage.wish {
            Wish::Run(wish) => {
                let components = wish.release.components.values();
                let all: Vec<&DecidedContainer> = components
                    .flat_map(|one| one.content.containers())
                    .collect();
                let mounts = |container: &&&DecidedContainer| {
                    let mut mounted = container.mounts.values();
                    mounted.any(|mount| {
                        let name = mount.volume.as_ref().map(Name::as_str);
                        name.is_some() && name == volume.map(String::as_str)
                    })
                };
                // One that nobody mounts, such as a copy, is for one of them.
                let mut users = all.iter().filter(mounts).chain(&all);
                users.find_map(|container| container.ordinary_user())
            }
            Wish::Gone => None,
        });
        let (user, group) = theirs.unwrap_or((USER, None));
        Some((user, group.unwrap_or(user)))
    }

    fn jobs(&self, namespace: &str) -> Api<Job> {
        Api::namespaced(self.shared().client.clone(), namespace)
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.shared().client.clone(), namespace)
    }

    /// Does one thing in a volume; the pod is made if none waits.
    pub(crate) async fn hand(
        &self,
        claim: &PersistentVolumeClaim,
        verb: &HandVerb,
    ) -> Result<ExecSession, RuntimeError> {
        let namespace = claim.namespace().unwrap_or_default();
        let verb = serde_json::to_string(verb).expect("a verb serialises");
        let command = [Program::IN_IMAGE, "hand", "do", &verb].map(str::to_owned);
        let mut tries = 0;
        loop {
            let pod = self.waiting(claim, &namespace).await?;
            match run(&self.pods(&namespace), &pod, "hand", &command, false).await {
                Ok(process) => return Ok(session(process, None)),
                Err(error) if tries == 3 => return Err(runtime_error(error)),
                // About to go, because nobody asked for long.
                Err(error) => tracing::debug!(pod, %error, "a hand did not answer"),
            }
            tries += 1;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The pod that waits at a volume.
    async fn waiting(
        &self,
        claim: &PersistentVolumeClaim,
        namespace: &str,
    ) -> Result<String, RuntimeError> {
        let image = &self.program(claim).await?;
        // One of another version goes by itself.
        let name = derived(&["hand", &claim.name_any(), &short(image)]);
        let (jobs, until) = (self.jobs(namespace), tokio::time::Instant::now() + PATIENCE);
        loop {
            let pods = self.pods_of(namespace, &name).await?;
            let alive = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none() && !is_over(pod);
            let pod = pods.iter().find(alive);
            if let Some(pod) = pod.filter(|pod| is_running(pod)) {
                return Ok(pod.name_any());
            }
            let job = jobs.get_opt(&name).await.map_err(runtime_error)?;
            match job {
                None => {
                    let task = Task {
                        name: name.clone(),
                        role: REACH,
                        image,
                        arguments: vec!["wait", IDLE],
                        mounts: vec![(claim.name_any(), VOLUME, false)],
                        node: self.node_of(claim).await?,
                        user: self.user(claim),
                    };
                    self.make(namespace, &task).await?;
                }
                Some(job) if has_ended(&job) => self.end_job(namespace, &name).await?,
                Some(job) => {
                    if let Some(problem) = self.hindered(namespace, &job, pod).await? {
                        return Err(RuntimeError::Refused(problem));
                    }
                }
            }
            if tokio::time::Instant::now() > until {
                return Err(RuntimeError::Refused(problem::TIMED_OUT.problem(
                    format!("The pod that reaches into the volume {} did not start within a minute.", claim.name_any()),
                    "`kubectl describe pod` in the environment's namespace tells why; it is called hand-….",
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn make(&self, namespace: &str, task: &Task<'_>) -> Result<(), RuntimeError> {
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        match self.jobs(namespace).create(&params, &task.job()).await {
            Ok(_) => Ok(()),
            // Somebody else asks for the same.
            Err(error) if is_there(&error) => Ok(()),
            Err(error) => Err(RuntimeError::Refused(of_object("a volume's Job", &error))),
        }
    }

    async fn end_job(&self, namespace: &str, name: &str) -> Result<(), RuntimeError> {
        let params = DeleteParams::background();
        match self.jobs(namespace).delete(name, &params).await {
            Err(error) if !is_not_found(&error) => Err(runtime_error(error)),
            _ => Ok(()),
        }
    }

    async fn pods_of(&self, namespace: &str, job: &str) -> Result<Vec<Pod>, RuntimeError> {
        let of_job = ListParams::default().labels(&format!("{OF_JOB}={job}"));
        let pods = self.pods(namespace).list(&of_job).await;
        let mut pods = pods.map_err(runtime_error)?.items;
        pods.sort_by_key(|pod| pod.creation_timestamp().map(|time| time.0));
        Ok(pods)
    }

    /// On which node a volume is in use that only one node may have.
    async fn node_of(&self, claim: &PersistentVolumeClaim) -> Result<Option<String>, RuntimeError> {
        let modes = claim
            .spec
            .as_ref()
            .and_then(|spec| spec.access_modes.as_ref());
        let of_one = |mode: &String| mode == "ReadWriteOnce" || mode == "ReadWriteOncePod";
        if !modes.into_iter().flatten().any(of_one) {
            return Ok(None);
        }
        let users = self.users(claim).await?;
        Ok(users
            .into_iter()
            .find_map(|pod| pod.spec.and_then(|spec| spec.node_name)))
    }

    /// What keeps a Job's pod from running, where that does not pass by itself.
    async fn hindered(
        &self,
        namespace: &str,
        job: &Job,
        pod: Option<&Pod>,
    ) -> Result<Option<Problem>, RuntimeError> {
        if let Some(pod) = pod {
            let name = "volumes".parse().expect("a name");
            let found = crate::obstacle::of_pod(&self.shared().cache, &name, pod);
            // A volume that was just asked for takes its time to be made.
            let age = pod.creation_timestamp().map(|at| Timestamp::now() - at.0);
            let is_young = age.is_some_and(|age| age.get_seconds() < VOLUME_IS_MADE);
            let is_waiting = |problem: &Problem| {
                let mut said = problem.evidence.iter();
                said.any(|line| line.contains("unbound immediate PersistentVolumeClaims"))
            };
            let found = found.filter(|problem| !(is_young && is_waiting(problem)));
            return Ok(found.map(|problem| Problem {
                at: None,
                ..problem
            }));
        }
        let uid = job.uid().unwrap_or_default();
        let about =
            ListParams::default().fields(&format!("involvedObject.uid={uid},reason=FailedCreate"));
        let events = Api::<Event>::namespaced(self.shared().client.clone(), namespace);
        let events = events.list(&about).await.map_err(runtime_error)?.items;
        Ok(events.into_iter().find_map(|event| {
            let message = event.message?;
            Some(problem::REFUSED.problem(
                format!(
                    "The cluster refuses the pod that reaches into the volume: {}.",
                    message.trim_end_matches('.')
                ),
                "It runs as root with the rights to any owner's files. Where that may not be, name the team when the cluster is added again (`pluvio cluster add … --restricted TEAM`), and it runs as the volume's own user; or raise the namespace's quota.",
            ))
        }))
    }

    /// Ends the pods that wait at a volume.
    pub(crate) async fn let_go(&self, claim: &PersistentVolumeClaim) -> Result<(), RuntimeError> {
        let namespace = claim.namespace().unwrap_or_default();
        for pod in self.users(claim).await? {
            let job = pod.labels().get(OF_JOB);
            if let (true, Some(job)) = (pod.labels().get(HAND).is_some_and(|is| is == REACH), job) {
                self.end_job(&namespace, job).await?;
            }
        }
        Ok(())
    }

    /// Begins a copy, or tells how far it is.
    pub(crate) async fn copy(
        &self,
        source: &PersistentVolumeClaim,
        copy: &CopyVolume,
    ) -> Result<CopyState, RuntimeError> {
        let namespace = source.namespace().unwrap_or_default();
        let image = &self.program(source).await?;
        let name = copier(&copy.target);
        let job = self.jobs(&namespace).get_opt(&name).await;
        let Some(job) = job.map_err(runtime_error)? else {
            self.same_place(source, copy)?;
            self.target(&namespace, source, copy).await?;
            let task = Task {
                name,
                role: COPY,
                image,
                arguments: vec!["copy"],
                mounts: vec![
                    (source.name_any(), FROM, true),
                    (copy.target.clone(), TO, false),
                ],
                node: self.node_of(source).await?,
                user: self.user(source),
            };
            self.make(&namespace, &task).await?;
            return Ok(CopyState::Running(Copied::default()));
        };
        let pods = self.pods_of(&namespace, &name).await?;
        let said = match pods.last() {
            Some(pod) => self.last_line(&namespace, pod).await?,
            None => None,
        };
        let copied = match said {
            Some(CopyLine::Done(copied)) => return Ok(CopyState::Done(copied)),
            Some(CopyLine::Failed(problem)) => return Ok(CopyState::Failed { problem }),
            Some(CopyLine::Copied(copied)) => copied,
            Some(CopyLine::Begun(all)) => Copied {
                of_bytes: all.bytes,
                of_files: all.files,
                ..Copied::default()
            },
            None => Copied::default(),
        };
        if has_ended(&job) {
            return Ok(CopyState::Failed {
                problem: problem::REFUSED.problem(
                    format!("The copy was begun {BEGINNINGS} times, and cut off each time."),
                    "See why the cluster ends it (memory, nodes that go away), then copy again.",
                ),
            });
        }
        let pod = pods.last().filter(|pod| !is_running(pod) && !is_over(pod));
        if (pod.is_some() || pods.is_empty())
            && let Some(problem) = self.hindered(&namespace, &job, pod).await?
        {
            return Ok(CopyState::Failed { problem });
        }
        Ok(CopyState::Running(copied))
    }

    /// A pod mounts claims of its own namespace only.
    fn same_place(
        &self,
        source: &PersistentVolumeClaim,
        copy: &CopyVolume,
    ) -> Result<(), RuntimeError> {
        let of_source = crate::cache::application(source);
        let theirs = self.application(copy.application);
        let theirs = theirs.map(|application| application.view().notes.namespace.clone());
        let is_same = of_source == Some(copy.application) || theirs == source.namespace();
        if is_same {
            return Ok(());
        }
        Err(RuntimeError::Refused(problem::REFUSED.problem(
            format!("The volume {} is of another environment than {}: a cluster's volumes are copied within one.", copy.source, copy.application_name),
            "Deploy the application in the volume's environment first, or download the files and upload them there.",
        )))
    }

    /// The new claim, of the same class and size, as its application's later release writes it.
    async fn target(
        &self,
        namespace: &str,
        source: &PersistentVolumeClaim,
        copy: &CopyVolume,
    ) -> Result<(), RuntimeError> {
        let spec = source.spec.as_ref();
        let claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": copy.target,
                "namespace": namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": MANAGER,
                    key::APPLICATION: copy.application.to_string(),
                },
                "annotations": {
                    key::VOLUME_ID: copy.id.to_string(),
                    key::VOLUME_NAME: copy.name.to_string(),
                },
            },
            "spec": {
                "accessModes": spec.and_then(|spec| spec.access_modes.clone()),
                "resources": spec.and_then(|spec| spec.resources.clone()),
                "storageClassName": spec.and_then(|spec| spec.storage_class_name.clone()),
            },
        });
        let claims =
            Api::<PersistentVolumeClaim>::namespaced(self.shared().client.clone(), namespace);
        let params = PatchParams::apply(MANAGER).force();
        let claim = Patch::Apply(&claim);
        let made = claims.patch(&copy.target, &params, &claim).await;
        made.map(drop)
            .map_err(|error| RuntimeError::Refused(of_object("the new volume", &error)))
    }

    async fn last_line(
        &self,
        namespace: &str,
        pod: &Pod,
    ) -> Result<Option<CopyLine>, RuntimeError> {
        let params = LogParams {
            tail_lines: Some(1),
            ..LogParams::default()
        };
        match self.pods(namespace).logs(&pod.name_any(), &params).await {
            Ok(text) => Ok(serde_json::from_str(text.trim()).ok()),
            // It has not begun, or is gone.
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(None),
            Err(error) => Err(runtime_error(error)),
        }
    }

    pub(crate) async fn end_copier(&self, target: &str) -> Result<(), RuntimeError> {
        let name = copier(target);
        let all = Api::<Job>::all(self.shared().client.clone());
        let of_that_name = ListParams::default()
            .labels(&format!("{HAND}={COPY}"))
            .fields(&format!("metadata.name={name}"));
        let jobs = all.list_metadata(&of_that_name).await;
        for job in jobs.map_err(runtime_error)?.items {
            let namespace = job.namespace().unwrap_or_default();
            self.end_job(&namespace, &name).await?;
        }
        Ok(())
    }
}

fn copier(target: &str) -> String {
    derived(&["copy-to", target])
}

/// Tells one program's image from another's.
fn short(image: &str) -> String {
    let hash = pluvio_model::image::ContentHash::of(&image);
    hash.as_str()[..8].to_owned()
}

fn is_running(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    status.is_some_and(|status| status.phase.as_deref() == Some("Running"))
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn has_ended(job: &Job) -> bool {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|one| {
        matches!(&*one.type_, "Complete" | "Failed" | "FailureTarget") && one.status == "True"
    }) || job.metadata.deletion_timestamp.is_some()
}
