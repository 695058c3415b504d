//! Limits, options of the container, what reaches beyond it, and `deploy`.

use pluvio_model::quantity::{Bytes, Cpu};
use serde_json::json;

use super::super::CPUSET_MEMS;
use super::super::item::{Fields, Item, Taken, Value};
use super::super::values;
use super::Convert;
use super::making::Making;

pub(super) fn cpu(text: &str) -> Option<Option<Cpu>> {
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
        let cores = making.component.resources.is_some();
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
                if cores {
                    self.twice(&quota, Some("`cpus`".to_owned()));
                }
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

    pub(super) fn pids(&mut self, taken: &Taken, pids: i64, making: &mut Making) {
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
        self.annotations(fields, making);
        for (key, name, kind) in [
            ("cpuset", "CpusetCpus", As::Text),
            (CPUSET_MEMS, "CpusetMems", As::Text),
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

    /// They are for the program below the engine that runs containers. Docker's usual one reads those of its own only.
    fn annotations(&mut self, fields: &mut Fields, making: &mut Making) {
        const READ: [&str; 2] = ["org.systemd.property.", "run.oci."];
        let has_runtime = fields.peek_text("runtime").is_some();
        let Some(taken) = fields.take("annotations") else {
            return;
        };
        let mut keys = taken.item.as_map().into_iter().flatten();
        let is_read = keys.any(|(key, _)| READ.iter().any(|known| key.starts_with(known)));
        if !is_read && !has_runtime {
            self.told.ignored(
                taken.at,
                &taken.path,
                "They are for a runtime below the engine; the usual one, which runs this, reads none of them.",
            );
            return;
        }
        self.told.adapted(
            taken.at,
            &taken.path,
            "They are handed to the engine in its own words (`patch.engine`), which needs the permission for host access and has no effect on Kubernetes, nor on a Docker before 24.",
        );
        making
            .host_config
            .insert("Annotations".to_owned(), plain(taken.item));
    }

    pub(super) fn raw(&mut self, taken: &Taken) {
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
    pub(super) fn device(
        &mut self,
        item: &Item,
        taken: &Taken,
        usual: &[&str],
        making: &mut Making,
    ) {
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
}

pub(super) fn limit_cpu(making: &mut Making, limit: Cpu) {
    let resources = making.component.resources.get_or_insert_default();
    resources.cpu.get_or_insert_default().limit = Some(limit);
}

pub(super) fn limit_memory(making: &mut Making, limit: Bytes) {
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
