//! Options of the container, and what reaches beyond it.

use pluvio_model::spec::{Ulimit, only_tightens};

use super::super::item::{Fields, Item, Taken, Value};
use super::Convert;
use super::making::Making;

impl Convert<'_> {
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
            let hostname = self.text(&taken).filter(|text| !text.is_empty());
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if hostname
                .as_ref()
                .is_some_and(|name| !name.chars().all(is_word))
            {
                self.told.adapted(
                    taken.at,
                    &taken.path,
                    "Kept on engines. On Kubernetes a pod calls itself by the first word in small letters; `HOSTNAME` holds all of it, and in the pod it leads to 127.0.0.1: what listens at this name is to listen at all addresses.",
                );
            }
            making.options().hostname = hostname;
        }
        if let Some(taken) = fields.take("domainname") {
            self.told.adapted(
                taken.at,
                &taken.path,
                "Kept on engines. On Kubernetes the host name with it leads to 127.0.0.1 in the pod.",
            );
            making.options().domainname = self.text(&taken);
        }
        if let Some(taken) = fields.take("dns") {
            self.told.adapted(
                taken.at,
                &taken.path,
                "Kept on engines. On Kubernetes two of them at most are asked where the cluster's own name server does not answer.",
            );
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
            let beyond = match key {
                "cap_drop" => false,
                "security_opt" => !list.iter().all(|option| only_tightens(option)),
                _ => !list.is_empty(),
            };
            if beyond {
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
}
