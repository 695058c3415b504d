//! Limits, options of the container, what reaches beyond it, and `deploy`.

use pluvio_model::quantity::{Bytes, Cpu};
use pluvio_model::spec::{Kind, RestartPolicy, Ulimit};
use serde_json::json;

use super::super::item::{Fields, Item, Taken, Value};
use super::super::values;
use super::Convert;
use super::service::Making;

fn cpu(text: &str) -> Option<Option<Cpu>> {
    let cores: f64 = text
        .parse()
        .ok()
        .filter(|c: &f64| c.is_finite() && (0.0..1000.0).contains(c))?;
    // 0 is no limit.
    Some((cores > 0.0).then(|| Cpu(((cores * 1000.0).round() as u32).max(1))))
}

impl Convert<'_> {
    pub(super) fn limits(&mut self, fields: &mut Fields, making: &mut Making) {
        const CORES: &str = "a number of cores such as 0.5";
        if let Some(taken) = fields.take("cpus")
            && let Some(Some(cpu)) = self.parsed(&taken, CORES, cpu)
        {
            limit_cpu(making, cpu);
        }
        let quota = fields.take("cpu_quota");
        let period = fields.take("cpu_period");
        if let Some(quota) = quota {
            let micros = self.parsed(&quota, "a number of microseconds", |text| {
                text.trim_end_matches("us").parse::<u32>().ok()
            });
            let every = match &period {
                Some(period) => self
                    .parsed(period, "a number of microseconds", |text| {
                        text.trim_end_matches("us").parse::<u32>().ok()
                    })
                    .unwrap_or(100_000),
                None => 100_000,
            };
            if let Some(micros) = micros.filter(|micros| *micros > 0) {
                self.told.adapted(
                    quota.at,
                    &quota.path,
                    "Share of the period as a limit in cores.",
                );
                let millis = u64::from(micros) * 1000 / u64::from(every.max(1));
                limit_cpu(making, Cpu(u32::try_from(millis.max(1)).unwrap_or(1)));
            }
        } else if let Some(period) = period {
            self.told.ignored(
                period.at,
                &period.path,
                "A period without a quota limits nothing.",
            );
        }
        if let Some(taken) = fields.take("cpu_shares")
            && let Some(shares) = self.number::<u32>(&taken)
            && shares > 0
        {
            self.told.adapted(
                taken.at,
                &taken.path,
                "1,024 shares are a request of one core.",
            );
            let millis = (u64::from(shares) * 1000 / 1024).max(1);
            let resources = making.component.resources.get_or_insert_default();
            resources.cpu.get_or_insert_default().request =
                Some(Cpu(u32::try_from(millis).unwrap_or(1)));
        }
        if let Some(taken) = fields.take("mem_limit")
            && let Some(size) = self.size(&taken).filter(|size| size.0 > 0)
        {
            limit_memory(making, size);
        }
        if let Some(taken) = fields.take("mem_reservation")
            && let Some(size) = self.size(&taken).filter(|size| size.0 > 0)
        {
            let resources = making.component.resources.get_or_insert_default();
            resources.memory.get_or_insert_default().request = Some(size);
        }
        if let Some(taken) = fields.take("pids_limit")
            && let Some(pids) = self.number::<i64>(&taken)
        {
            self.pids(&taken, pids, making);
        }
        for key in ["cpu_count", "cpu_percent", "isolation", "credential_spec"] {
            if let Some(taken) = fields.take(key) {
                self.told.refused(
                    taken.at,
                    &taken.path,
                    "It is for containers of Windows.",
                    "Take it out; write `cpus` for a limit.",
                );
            }
        }
        self.raw_options(fields, making);
    }

    fn pids(&mut self, taken: &Taken, pids: i64, making: &mut Making) {
        match u32::try_from(pids) {
            Ok(pids) if pids > 0 => {
                making.component.resources.get_or_insert_default().pids = Some(pids);
            }
            _ => self.told.adapted(
                taken.at,
                &taken.path,
                "Without a limit of its own it may have 4,096 processes.",
            ),
        }
    }

    /// What app.yaml has no word for, in the engine's own words.
    fn raw_options(&mut self, fields: &mut Fields, making: &mut Making) {
        enum As {
            Text,
            Number,
            Size,
            Flag,
            List,
        }
        for (key, name, kind) in [
            ("cpuset", "CpusetCpus", As::Text),
            ("cpu_rt_period", "CpuRealtimePeriod", As::Number),
            ("cpu_rt_runtime", "CpuRealtimeRuntime", As::Number),
            ("memswap_limit", "MemorySwap", As::Size),
            ("mem_swappiness", "MemorySwappiness", As::Number),
            ("oom_kill_disable", "OomKillDisable", As::Flag),
            ("oom_score_adj", "OomScoreAdj", As::Number),
            ("cgroup_parent", "CgroupParent", As::Text),
            ("cgroup", "CgroupnsMode", As::Text),
            ("runtime", "Runtime", As::Text),
            ("uts", "UTSMode", As::Text),
            ("userns_mode", "UsernsMode", As::Text),
            ("device_cgroup_rules", "DeviceCgroupRules", As::List),
            ("mac_address", "MacAddress", As::Text),
        ] {
            let Some(taken) = fields.take(key) else {
                continue;
            };
            let value = match kind {
                As::Text => self.text(&taken).map(serde_json::Value::from),
                As::Number => self.number::<i64>(&taken).map(serde_json::Value::from),
                As::Flag => self.flag(&taken).map(serde_json::Value::from),
                As::Size => self
                    .parsed(&taken, "a size such as 64m, or -1", |text| match text {
                        "-1" => Some(-1),
                        text => values::size(text).and_then(|size| i64::try_from(size.0).ok()),
                    })
                    .map(serde_json::Value::from),
                As::List => {
                    let list: Vec<String> = self
                        .texts(&taken)
                        .into_iter()
                        .map(|(_, text)| text)
                        .collect();
                    Some(list.into())
                }
            };
            if let Some(value) = value {
                self.raw(&taken);
                if key == "mac_address" {
                    making.patch.insert(name.to_owned(), value);
                } else {
                    making.host_config.insert(name.to_owned(), value);
                }
            }
        }
        if let Some(taken) = fields.take("storage_opt") {
            self.raw(&taken);
            let value = plain(taken.item);
            making.host_config.insert("StorageOpt".to_owned(), value);
        }
        if let Some(taken) = fields.take("blkio_config") {
            self.blkio(&taken, making);
        }
        if let Some(taken) = fields.take("gpus") {
            self.gpus(&taken, making);
        }
        if let Some(taken) = fields.take("use_api_socket") {
            self.told.refused(
                taken.at,
                &taken.path,
                "The engine's socket is not handed to programs by a word.",
                "Mount /var/run/docker.sock, which needs the permission for host access.",
            );
        }
    }

    fn raw(&mut self, taken: &Taken) {
        self.told.adapted(
            taken.at,
            &taken.path,
            "It is handed to the engine in its own words (`patch.engine`), which needs the permission for host access and has no effect on Kubernetes.",
        );
    }

    fn blkio(&mut self, taken: &Taken, making: &mut Making) {
        self.raw(taken);
        let mut inner = Fields::new(taken.path.clone(), taken.item);
        if let Some(weight) = inner.take("weight")
            && let Some(weight) = self.number::<u16>(&weight)
        {
            making
                .host_config
                .insert("BlkioWeight".to_owned(), weight.into());
        }
        for (key, name, field) in [
            ("weight_device", "BlkioWeightDevice", "weight"),
            ("device_read_bps", "BlkioDeviceReadBps", "rate"),
            ("device_write_bps", "BlkioDeviceWriteBps", "rate"),
            ("device_read_iops", "BlkioDeviceReadIOps", "rate"),
            ("device_write_iops", "BlkioDeviceWriteIOps", "rate"),
        ] {
            let Some(list) = inner.take(key) else {
                continue;
            };
            let mut all = Vec::new();
            for item in list.item.items() {
                let mut one = Fields::new(list.path.clone(), item);
                let path = one.take("path").and_then(|taken| self.text(&taken));
                let rate = one.take(field).and_then(|taken| self.size(&taken));
                one.finish(&mut self.told, &["path", field]);
                if let (Some(path), Some(rate)) = (path, rate) {
                    let word = if field == "rate" { "Rate" } else { "Weight" };
                    all.push(json!({ "Path": path, word: rate.0 }));
                }
            }
            making.host_config.insert(name.to_owned(), all.into());
        }
        inner.finish(&mut self.told, &[]);
    }

    fn gpus(&mut self, taken: &Taken, making: &mut Making) {
        self.raw(taken);
        if taken.item.as_text() == Some("all") {
            add_device_request(making, json!({ "Count": -1, "Capabilities": [["gpu"]] }));
            return;
        }
        for item in taken.item.items() {
            self.device(item, taken, &["gpu"], making);
        }
    }

    /// `{driver, count, device_ids, capabilities, options}`
    fn device(&mut self, item: &Item, taken: &Taken, usual: &[&str], making: &mut Making) {
        let mut inner = Fields::new(taken.path.clone(), item);
        let mut request = serde_json::Map::new();
        if let Some(driver) = inner.take("driver").and_then(|taken| self.text(&taken)) {
            request.insert("Driver".to_owned(), driver.into());
        }
        let ids = inner.take("device_ids").map(|taken| {
            self.texts(&taken)
                .into_iter()
                .map(|(_, id)| id)
                .collect::<Vec<String>>()
        });
        let count = inner.take("count").and_then(|taken| {
            self.parsed(&taken, "a number or `all`", |text| match text {
                "all" => Some(-1),
                text => text.parse::<i64>().ok(),
            })
        });
        match ids {
            Some(ids) => {
                request.insert("DeviceIDs".to_owned(), ids.into());
            }
            None => {
                request.insert("Count".to_owned(), count.unwrap_or(-1).into());
            }
        }
        let capabilities: Vec<String> = match inner.take("capabilities") {
            Some(taken) => self
                .texts(&taken)
                .into_iter()
                .map(|(_, text)| text)
                .collect(),
            None => usual.iter().map(|word| (*word).to_owned()).collect(),
        };
        request.insert("Capabilities".to_owned(), json!([capabilities]));
        if let Some(options) = inner.take("options") {
            request.insert("Options".to_owned(), plain(options.item));
        }
        inner.finish(
            &mut self.told,
            &["driver", "count", "device_ids", "capabilities", "options"],
        );
        add_device_request(making, request.into());
    }

    pub(super) fn options(&mut self, fields: &mut Fields, making: &mut Making) {
        for key in [
            "tty",
            "stdin_open",
            "read_only",
            "init",
            "privileged",
            "oom",
        ] {
            let Some(taken) = fields.take(key) else {
                continue;
            };
            let Some(on) = self.flag(&taken) else {
                continue;
            };
            if !on && key != "init" {
                self.told.ignored(taken.at, &taken.path, "It is so anyway.");
                continue;
            }
            match key {
                "tty" => making.options().tty = true,
                "stdin_open" => making.options().stdin = true,
                "read_only" => making.options().read_only = true,
                "init" if on => self.told.ignored(
                    taken.at,
                    &taken.path,
                    "A process 1 that reaps children is there anyway.",
                ),
                "init" => making.options().init = Some(false),
                _ => {
                    self.reaches_beyond(&taken);
                    making.host().privileged = true;
                }
            }
        }
        if let Some(taken) = fields.take("hostname") {
            making.options().hostname = self.text(&taken).filter(|text| !text.is_empty());
        }
        if let Some(taken) = fields.take("domainname") {
            making.options().domainname = self.text(&taken);
        }
        if let Some(taken) = fields.take("dns") {
            for (at, text) in self.texts(&taken) {
                match text.parse() {
                    Ok(address) => making.options().dns.push(address),
                    Err(_) => self.told.refused(
                        at,
                        &taken.path,
                        format!("`{text}` is not the address of a name server."),
                        "Write an IP address.",
                    ),
                }
            }
        }
        for key in ["dns_search", "dns_opt", "group_add"] {
            if let Some(taken) = fields.take(key) {
                let list: Vec<String> = self
                    .texts(&taken)
                    .into_iter()
                    .map(|(_, text)| text)
                    .collect();
                match key {
                    "dns_search" => making.options().dns_search = list,
                    "dns_opt" => making.options().dns_options = list,
                    _ => making.options().groups = list,
                }
            }
        }
        if let Some(taken) = fields.take("shm_size") {
            let size = self.size(&taken);
            making.options().shm_size = size;
        }
        if let Some(taken) = fields.take("ulimits") {
            self.ulimits(&taken, making);
        }
        for key in ["cap_add", "cap_drop", "security_opt", "devices"] {
            let Some(taken) = fields.take(key) else {
                continue;
            };
            let list = if key == "devices" {
                self.devices(&taken)
            } else {
                self.texts(&taken)
                    .into_iter()
                    .map(|(_, text)| text)
                    .collect()
            };
            if key != "cap_drop" && !list.is_empty() {
                self.reaches_beyond(&taken);
            }
            match key {
                "cap_add" => making.host().capabilities = list,
                "cap_drop" => making.host().drop_capabilities = list,
                "security_opt" => making.host().security = list,
                _ => making.host().devices = list,
            }
        }
        for key in ["pid", "ipc"] {
            let Some(taken) = fields.take(key) else {
                continue;
            };
            match (key, self.text(&taken).unwrap_or_default().as_str()) {
                (_, "host") => {
                    self.reaches_beyond(&taken);
                    match key {
                        "pid" => making.host().pid = true,
                        _ => making.host().ipc = true,
                    }
                }
                (_, "" | "private") => {
                    self.told.ignored(taken.at, &taken.path, "It is so anyway.");
                }
                ("ipc", word @ ("shareable" | "none")) => {
                    self.raw(&taken);
                    making.host_config.insert("IpcMode".to_owned(), word.into());
                }
                (_, other) => self.told.refused(
                    taken.at,
                    &taken.path,
                    format!("`{other}` would share what is inside of another component."),
                    "Write both as containers of one component: `sidecars` in app.yaml.",
                ),
            }
        }
        if let Some(taken) = fields.take("sysctls") {
            let all = taken.item.as_map().cloned().unwrap_or_default();
            if !all.is_empty() {
                self.reaches_beyond(&taken);
            }
            for (key, field) in &all {
                let value = field.item.as_text().unwrap_or_default().to_owned();
                making.host().sysctls.insert(key.clone(), value);
            }
        }
        if let Some(taken) = fields.take("extra_hosts") {
            let all = taken.item.as_map().cloned().unwrap_or_default();
            for (host, field) in &all {
                let first = match &field.item.value {
                    Value::List(items) => items.first().and_then(Item::as_text),
                    _ => field.item.as_text(),
                };
                let address = first.unwrap_or_default().trim().trim_matches(['[', ']']);
                if address == "host-gateway" || address.parse::<std::net::IpAddr>().is_ok() {
                    making
                        .component
                        .extra_hosts
                        .insert(host.clone(), address.to_owned());
                } else {
                    self.told.refused(
                        field.at,
                        &format!("{}.{host}", taken.path),
                        format!("`{address}` is not an address."),
                        "Write an IP address, or host-gateway for the machine itself.",
                    );
                }
            }
        }
    }

    fn reaches_beyond(&mut self, taken: &Taken) {
        self.told.adapted(
            taken.at,
            &taken.path,
            "It is kept; it reaches beyond the container, so deploying it needs the permission for host access.",
        );
    }

    fn devices(&mut self, taken: &Taken) -> Vec<String> {
        let mut all = Vec::new();
        for item in taken.item.items() {
            match &item.value {
                Value::Scalar(scalar) => all.push(scalar.text.clone()),
                Value::Map(_) => {
                    let mut inner = Fields::new(taken.path.clone(), item);
                    let mut text = |key: &str| {
                        let taken = inner.take(key)?;
                        taken.item.as_text().map(str::to_owned)
                    };
                    let (source, target, permissions) =
                        (text("source"), text("target"), text("permissions"));
                    inner.finish(&mut self.told, &["source", "target", "permissions"]);
                    match source {
                        Some(source) => {
                            let target = target.unwrap_or_else(|| source.clone());
                            let permissions = permissions.unwrap_or_else(|| "rwm".to_owned());
                            all.push(format!("{source}:{target}:{permissions}"));
                        }
                        None => self.told.invalid(
                            item.at,
                            &taken.path,
                            "It does not say which device.",
                            "Write `source: /dev/…`.",
                        ),
                    }
                }
                _ => {}
            }
        }
        all
    }

    fn ulimits(&mut self, taken: &Taken, making: &mut Making) {
        let all = taken.item.as_map().cloned().unwrap_or_default();
        for (name, field) in &all {
            let path = format!("{}.{name}", taken.path);
            let number = |item: &Item| {
                item.as_text()
                    .and_then(|text| text.trim().parse::<i64>().ok())
            };
            let limit = match &field.item.value {
                Value::Map(_) => {
                    let mut inner = Fields::new(path.clone(), &field.item);
                    let soft = inner.take("soft").and_then(|taken| number(taken.item));
                    let hard = inner.take("hard").and_then(|taken| number(taken.item));
                    inner.finish(&mut self.told, &["soft", "hard"]);
                    match (soft, hard) {
                        (Some(soft), Some(hard)) => Some(Ulimit { soft, hard }),
                        (Some(both), None) | (None, Some(both)) => {
                            self.told.adapted(
                                field.at,
                                &path,
                                format!("Both limits are {both}: one of them is not given."),
                            );
                            Some(Ulimit {
                                soft: both,
                                hard: both,
                            })
                        }
                        (None, None) => None,
                    }
                }
                _ => number(&field.item).map(|both| Ulimit {
                    soft: both,
                    hard: both,
                }),
            };
            match limit {
                Some(limit) => {
                    making.options().ulimits.insert(name.clone(), limit);
                }
                None => self.told.invalid(
                    field.at,
                    &path,
                    "It is not a limit.",
                    "Write a number, or `soft` and `hard`; -1 is none.",
                ),
            }
        }
    }

    pub(super) fn deploy(&mut self, fields: &mut Fields, making: &mut Making) {
        if let Some(scale) = fields.take("scale")
            && let Some(count) = self.number::<u32>(&scale)
        {
            self.instances(&scale, count, making);
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
            self.instances(&replicas, count, making);
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
            if let Some(taken) = fields.take("cpus")
                && let Some(Some(cpu)) = self.parsed(&taken, "a number of cores such as 0.5", cpu)
            {
                limit_cpu(making, cpu);
            }
            if let Some(taken) = fields.take("memory")
                && let Some(size) = self.size(&taken)
            {
                limit_memory(making, size);
            }
            if let Some(taken) = fields.take("pids")
                && let Some(pids) = self.number::<i64>(&taken)
            {
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
                all.memory.get_or_insert_default().request = Some(size);
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
        for key in ["delay", "max_attempts", "window"] {
            if let Some(taken) = inner.take(key) {
                self.told.adapted(
                    taken.at,
                    &taken.path,
                    "Pauses between restarts grow by themselves, without an end.",
                );
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

fn limit_cpu(making: &mut Making, limit: Cpu) {
    let resources = making.component.resources.get_or_insert_default();
    resources.cpu.get_or_insert_default().limit = Some(limit);
}

fn limit_memory(making: &mut Making, limit: Bytes) {
    let resources = making.component.resources.get_or_insert_default();
    resources.memory.get_or_insert_default().limit = Some(limit);
}

fn add_device_request(making: &mut Making, request: serde_json::Value) {
    let all = making
        .host_config
        .entry("DeviceRequests")
        .or_insert_with(|| json!([]));
    if let Some(all) = all.as_array_mut() {
        all.push(request);
    }
}

/// As JSON, every scalar a text.
fn plain(item: &Item) -> serde_json::Value {
    match &item.value {
        Value::Scalar(scalar) => scalar.text.clone().into(),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(map) => map
            .iter()
            .map(|(key, field)| (key.clone(), plain(&field.item)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => serde_json::Value::Null,
    }
}
