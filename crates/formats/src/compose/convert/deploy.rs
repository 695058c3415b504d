//! `deploy` and `scale`: how many, within which limits, replaced how.

use pluvio_model::spec::{Kind, RestartPolicy};

use super::super::item::{Fields, Taken};
use super::Convert;
use super::limits::{cpu, limit_cpu, limit_memory};
use super::making::Making;

impl Convert<'_> {
    pub(super) fn deploy(&mut self, fields: &mut Fields, making: &mut Making) {
        let mut scaled = None;
        if let Some(scale) = fields.take("scale")
            && let Some(count) = self.number::<u32>(&scale)
        {
            self.instances(&scale, count, making);
            scaled = Some(count);
        }
        let Some(deploy) = fields.take("deploy") else {
            return;
        };
        let mut inner = Fields::new(deploy.path.clone(), deploy.item);
        if let Some(mode) = inner.take("mode") {
            match mode.item.as_text() {
                Some("replicated") => self.told.ignored(mode.at, &mode.path, "It is so anyway."),
                Some("global") => making.component.kind = Kind::Daemon,
                Some("replicated-job" | "global-job") => {
                    making.component.kind = Kind::Job;
                    self.told.adapted(
                        mode.at,
                        &mode.path,
                        "It is a job: it runs to its end once for each content.",
                    );
                }
                other => self.told.invalid(
                    mode.at,
                    &mode.path,
                    format!("`{}` is no mode.", other.unwrap_or("?")),
                    "Write replicated or global.",
                ),
            }
        }
        if let Some(replicas) = inner.take("replicas")
            && let Some(count) = self.number::<u32>(&replicas)
        {
            match scaled {
                Some(other) if other != count => self.told.invalid(
                    replicas.at,
                    &replicas.path,
                    format!("`scale` says {other} instances, and `deploy.replicas` says {count}."),
                    "Write one of the two.",
                ),
                _ => self.instances(&replicas, count, making),
            }
        }
        if let Some(resources) = inner.take("resources") {
            self.resources(&resources, making);
        }
        if let Some(policy) = inner.take("restart_policy") {
            self.restart_policy(&policy, making);
        }
        if let Some(update) = inner.take("update_config") {
            self.update(&update, making);
        }
        for (key, why) in [
            (
                "rollback_config",
                "A release that does not become ready goes back by itself.",
            ),
            (
                "labels",
                "They label compose's idea of a service, not its containers.",
            ),
            (
                "endpoint_mode",
                "A name leads to the instances that are ready.",
            ),
            ("placement", "There is one machine to run on."),
        ] {
            if let Some(taken) = inner.take(key) {
                self.told.ignored(taken.at, &taken.path, why);
            }
        }
        inner.finish(
            &mut self.told,
            &[
                "mode",
                "replicas",
                "resources",
                "restart_policy",
                "update_config",
            ],
        );
    }

    fn instances(&mut self, taken: &Taken, count: u32, making: &mut Making) {
        if matches!(making.component.kind, Kind::Daemon | Kind::Job) {
            self.told.ignored(
                taken.at,
                &taken.path,
                "A job or a daemon has no number of instances.",
            );
        } else if making.component.kind == Kind::Stateful && count > 1 {
            // Compose's replicas share what they mount.
            self.told.adapted(
                taken.at,
                &taken.path,
                "Several of them share their volumes, as compose's replicas do.",
            );
            making.component.kind = Kind::Service;
            making.component.instances = Some(count);
        } else {
            making.component.instances = Some(count);
        }
    }

    fn resources(&mut self, resources: &Taken, making: &mut Making) {
        let mut inner = Fields::new(resources.path.clone(), resources.item);
        if let Some(limits) = inner.take("limits") {
            let mut fields = Fields::new(limits.path.clone(), limits.item);
            let before = making.component.resources.clone().unwrap_or_default();
            if let Some(taken) = fields.take("cpus")
                && let Some(Some(cpu)) = self.parsed(&taken, "a number of cores such as 0.5", cpu)
            {
                let other = before.cpu.and_then(|cpu| cpu.limit);
                self.twice(&taken, other.map(|other| other.to_string()));
                limit_cpu(making, cpu);
            }
            if let Some(taken) = fields.take("memory")
                && let Some(size) = self.size(&taken)
            {
                let other = before.memory.and_then(|memory| memory.limit);
                self.twice(&taken, other.map(|other| other.to_string()));
                limit_memory(making, size);
            }
            if let Some(taken) = fields.take("pids")
                && let Some(pids) = self.number::<i64>(&taken)
            {
                self.twice(&taken, before.pids.map(|other| other.to_string()));
                self.pids(&taken, pids, making);
            }
            fields.finish(&mut self.told, &["cpus", "memory", "pids"]);
        }
        if let Some(reserved) = inner.take("reservations") {
            let mut fields = Fields::new(reserved.path.clone(), reserved.item);
            if let Some(taken) = fields.take("cpus")
                && let Some(Some(cpu)) = self.parsed(&taken, "a number of cores such as 0.5", cpu)
            {
                let all = making.component.resources.get_or_insert_default();
                all.cpu.get_or_insert_default().request = Some(cpu);
            }
            if let Some(taken) = fields.take("memory")
                && let Some(size) = self.size(&taken)
            {
                let all = making.component.resources.get_or_insert_default();
                let memory = all.memory.get_or_insert_default();
                let other = memory.request.replace(size);
                self.twice(&taken, other.map(|other| other.to_string()));
            }
            if let Some(devices) = fields.take("devices") {
                self.raw(&devices);
                for item in devices.item.items() {
                    self.device(item, &devices, &[], making);
                }
            }
            if let Some(generic) = fields.take("generic_resources") {
                self.told.refused(
                    generic.at,
                    &generic.path,
                    "Resources by name are for a cluster that knows them.",
                    "Ask for devices.",
                );
            }
            fields.finish(&mut self.told, &["cpus", "memory", "devices"]);
        }
        inner.finish(&mut self.told, &["limits", "reservations"]);
    }

    /// Two keys for one thing.
    pub(super) fn twice(&mut self, taken: &Taken, other: Option<String>) {
        if let Some(other) = other {
            self.told.adapted(
                taken.at,
                &taken.path,
                format!("Another key of the service says {other}; this one counts."),
            );
        }
    }

    fn restart_policy(&mut self, policy: &Taken, making: &mut Making) {
        let mut inner = Fields::new(policy.path.clone(), policy.item);
        if let Some(condition) = inner.take("condition") {
            let asked = match condition.item.as_text() {
                Some("none") => Some(RestartPolicy::Never),
                Some("on-failure") => Some(RestartPolicy::OnFailure),
                Some("any" | "always" | "unless-stopped") => Some(RestartPolicy::Always),
                _ => None,
            };
            match asked {
                Some(_) if making.component.kind == Kind::Job => self.told.adapted(
                    condition.at,
                    &condition.path,
                    "It is a job: it runs to its end once for each content.",
                ),
                Some(asked) => making.component.restart = Some(asked),
                None => self.told.invalid(
                    condition.at,
                    &condition.path,
                    "It is no condition of a restart.",
                    "Write none, on-failure or any.",
                ),
            }
        }
        for (key, message) in [
            ("delay", "Pauses between restarts grow by themselves."),
            (
                "max_attempts",
                "The limit is not kept: restarts do not end, and the pauses between them grow.",
            ),
            ("window", "A restart is counted by no window."),
        ] {
            if let Some(taken) = inner.take(key) {
                self.told.adapted(taken.at, &taken.path, message);
            }
        }
        inner.finish(
            &mut self.told,
            &["condition", "delay", "max_attempts", "window"],
        );
    }

    fn update(&mut self, update: &Taken, making: &mut Making) {
        let mut inner = Fields::new(update.path.clone(), update.item);
        let parallelism = inner
            .take("parallelism")
            .and_then(|taken| self.number::<u32>(&taken));
        let order = inner.take("order").and_then(|taken| self.text(&taken));
        let several = parallelism.unwrap_or(1).max(1);
        if order.as_deref() == Some("stop-first") {
            let rollout = making.component.rollout.get_or_insert_default();
            rollout.surge = Some(0);
            rollout.unavailable = Some(several);
        } else if parallelism.is_some() || order.is_some() {
            making.component.rollout.get_or_insert_default().surge = Some(several);
        }
        for key in ["delay", "failure_action", "monitor", "max_failure_ratio"] {
            if let Some(taken) = inner.take(key) {
                self.told.ignored(
                    taken.at,
                    &taken.path,
                    "The next instance is replaced once the last is ready; a release that does not become ready goes back by itself.",
                );
            }
        }
        inner.finish(&mut self.told, &["parallelism", "order"]);
    }
}
