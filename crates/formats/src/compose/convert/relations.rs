//! How a service stands to others: networks, names on them, what it awaits.

use pluvio_model::name::is_host_name;
use pluvio_model::problem;
use pluvio_model::spec::Use;

use super::super::item::{Fields, Map, Place, Taken};
use super::Convert;
use super::followers::{Follower, leader};
use super::making::{Making, OwnNetwork};
use crate::validate::is_shared_name;

impl Convert<'_> {
    pub(super) fn network_mode(
        &mut self,
        fields: &mut Fields,
        making: &mut Making,
        services: &Map,
    ) {
        let Some(mode) = fields.take("network_mode") else {
            if let Some(engines_own) = self.engines_own_network(fields)
                && let Some(networks) = fields.take("networks")
            {
                self.on_engines_own(engines_own, &networks, making);
            }
            return;
        };
        let Some(text) = self.text(&mode) else { return };
        match text.as_str() {
            "" | "bridge" | "default" => {
                self.told.ignored(
                    mode.at,
                    &mode.path,
                    "The application has a bridge network of its own.",
                );
                return;
            }
            "host" | "none" => self.on_engines_own(&text, &mode, making),
            other => match leader(other, services).and_then(|leader| self.names.get(leader)) {
                Some(leader) if *leader != making.name => {
                    let follower = Follower {
                        leader: leader.clone(),
                        at: mode.at,
                        path: mode.path.clone(),
                    };
                    making.network = Some(OwnNetwork::Of(leader.clone()));
                    self.followers.insert(making.name.clone(), follower);
                }
                Some(_) => self.told.refused(
                    mode.at,
                    &mode.path,
                    "It would share a network with itself.",
                    "Take it out: it joins the application's network.",
                ),
                None => self.foreign_network(other, &mode, making, services),
            },
        }
        if (making.network.is_some() || making.joins.is_some())
            && let Some(networks) = fields.take("networks")
        {
            self.told.refused(
                networks.at,
                &networks.path,
                "With `network_mode` it joins no networks; compose itself takes only one of both.",
                "Take one of them out.",
            );
        }
    }

    /// The machine's own network, or none.
    fn on_engines_own(&mut self, network: &str, taken: &Taken, making: &mut Making) {
        if network == "none" {
            making.network = Some(OwnNetwork::None);
            making.component.offline = true;
            return;
        }
        making.network = Some(OwnNetwork::Host);
        making.host().network = true;
        self.told.advised(
            taken.at,
            &taken.path,
            "It is on the machine's own network: deploying it needs the permission for host access, and it stops before its next one starts.",
            "Take it out, and publish the ports that must be reached, to lose no request in a redeploy.",
        );
    }

    /// A network of what is not in the file.
    fn foreign_network(&mut self, mode: &str, taken: &Taken, making: &mut Making, services: &Map) {
        let (kind, whose) = mode.split_once(':').unwrap_or(("", mode));
        let (message, remedy) = match kind {
            "service" => {
                let names = services.keys().map(String::as_str);
                let near = crate::suggest::nearest(whose, names)
                    .map_or("Name a service of the file.".to_owned(), |near| {
                        format!("Did you mean `{near}`?")
                    });
                (
                    format!("It would share the network of {whose}, and there is no such service."),
                    near,
                )
            }
            "container" => (
                format!(
                    "It would share the network of {whose}, which is a container outside the file."
                ),
                format!("Put {whose} into the file, and write `network_mode: service:{whose}`."),
            ),
            // Of one that is meant for the service alone nothing else is said.
            _ if is_shared_name(mode) => {
                making.joins = Some(self.outside_network(mode, taken.at));
                return;
            }
            _ => (
                format!("It would join {whose}, which is no network's name."),
                "Declare it under `networks`.".to_owned(),
            ),
        };
        let remedy = format!("{remedy} It joins the application's network instead.");
        self.told.refused(taken.at, &taken.path, message, remedy);
    }

    pub(super) fn container_name(&mut self, fields: &mut Fields, making: &mut Making) {
        if let Some(container) = fields.take("container_name")
            && let Some(text) = self.text(&container)
        {
            if let Some(own) = &making.network {
                let message = match own {
                    OwnNetwork::Of(leader) => {
                        format!("On the network of {leader} it has no name of its own.")
                    }
                    OwnNetwork::None => "Without a network it has no name on one.".to_owned(),
                    OwnNetwork::Host => format!(
                        "`{text}` leads to it within the application; containers are named after application, component and instance."
                    ),
                };
                self.told.adapted(container.at, &container.path, message);
                if *own == OwnNetwork::Host {
                    self.add_alias(&container.path, container.at, &text, making);
                }
                return;
            }
            self.told.adapted(
                container.at,
                &container.path,
                format!("`{text}` is a name on the network; containers are named after application, component and instance."),
            );
            self.add_alias(&container.path, container.at, &text, making);
        }
    }

    pub(super) fn add_alias(&mut self, path: &str, at: Place, alias: &str, making: &mut Making) {
        if self.is_host_name(path, at, alias) {
            making.alias(alias);
        }
    }

    pub(super) fn is_host_name(&mut self, path: &str, at: Place, alias: &str) -> bool {
        let good = is_host_name(alias);
        if !good {
            self.told.refused(
                at,
                path,
                format!("`{alias}` is not a host name."),
                "Write letters, digits, dashes and dots.",
            );
        }
        good
    }

    pub(super) fn depends(&mut self, fields: &mut Fields, making: &mut Making, services: &Map) {
        if let Some(depends) = fields.take("depends_on") {
            let map = depends.item.as_map().cloned().unwrap_or_default();
            for (name, field) in &map {
                let path = format!("{}.{name}", depends.path);
                let mut inner = Fields::new(path.clone(), &field.item);
                let required = match inner.take("required") {
                    Some(required) => {
                        let required_is = self.flag(&required) != Some(false);
                        let message = if required_is {
                            "It is so anyway."
                        } else {
                            "A service that is left out is not waited for."
                        };
                        self.told.ignored(required.at, &required.path, message);
                        required_is
                    }
                    None => true,
                };
                if let Some(restart) = inner.take("restart") {
                    self.told.ignored(
                        restart.at,
                        &restart.path,
                        "Its name leads to the instances that are ready, new ones too: nothing has to be restarted.",
                    );
                }
                if let Some(condition) = inner.take("condition") {
                    match condition.item.as_text() {
                        Some("service_started") => self.told.adapted(
                            condition.at,
                            &path,
                            format!("It starts once {name} is ready, which is later than started."),
                        ),
                        Some("service_healthy" | "service_completed_successfully") => {}
                        other => self.told.invalid(
                            condition.at,
                            &condition.path,
                            format!("`{}` is no condition.", other.unwrap_or("?")),
                            "Write service_started, service_healthy or service_completed_successfully.",
                        ),
                    }
                } else {
                    self.told
                        .adapted(field.at, &path, format!("It starts once {name} is ready."));
                }
                inner.finish(&mut self.told, &["condition", "restart", "required"]);
                self.uses(name, field.at, &path, required, making, services);
            }
        }
        if let Some(links) = fields.take("links") {
            for (at, text) in self.texts(&links) {
                let (name, alias) = match text.split_once(':') {
                    Some((name, alias)) => (name.to_owned(), Some(alias.to_owned())),
                    None => (text, None),
                };
                self.told.adapted(
                    at,
                    &links.path,
                    match &alias {
                        Some(alias) => format!(
                            "It starts after {name}, which `{alias}` leads to for every component."
                        ),
                        None => format!("It starts after {name}, which its name leads to anyway."),
                    },
                );
                if let Some(alias) = alias
                    && let Some(target) = self.names.get(&name).cloned()
                    && alias != target.as_str()
                {
                    self.linked.push((target, alias));
                }
                self.uses(&name, at, &links.path, true, making, services);
            }
        }
        if let Some(links) = fields.take("external_links") {
            self.told.refused(
                links.at,
                &links.path,
                "A container of somebody else is not reached by name.",
                "Write its address into `extra_hosts`, or make it a component of the application.",
            );
        }
    }

    pub(super) fn uses(
        &mut self,
        name: &str,
        at: Place,
        path: &str,
        required: bool,
        making: &mut Making,
        services: &Map,
    ) {
        let Some(target) = self.names.get(name).cloned() else {
            if required {
                let names: Vec<&str> = services.keys().map(String::as_str).collect();
                let remedy = match crate::suggest::nearest(name, names.iter().copied()) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => "Take it out, or take its profile along with `--profile`.".to_owned(),
                };
                if self.lenient {
                    let message = format!("There is no service `{name}`; nothing is waited for.");
                    if self.loader_env.unordered {
                        self.told.ignored(at, path, message);
                        return;
                    }
                    self.told.refused(at, path, message, remedy);
                    return;
                }
                self.told.error(
                    problem::SPEC_UNKNOWN_REFERENCE,
                    at,
                    path,
                    format!("There is no service `{name}`."),
                    remedy,
                );
            }
            return;
        };
        if target == making.name {
            self.told
                .adapted(at, path, "A service cannot await itself.");
            return;
        }
        if !making
            .component
            .uses
            .iter()
            .any(|other| *other.component() == target)
        {
            making.component.uses.push(Use::Component(target));
        }
    }
}
