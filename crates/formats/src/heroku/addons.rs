//! `addons` of `app.json`: databases become components, others are named.

use pluvio_model::name::Name;
use pluvio_model::spec::{ComponentSpec, Kind, Use};

use super::{Reader, place};
use crate::compose::item::Place;
use crate::yaml::{Node, Value};

/// Add-ons by their name: the component, the database when no version is asked for, and the variable with its address.
const DATABASES: [(&str, &str, &str, &str); 19] = [
    ("heroku-postgresql", "postgres", "postgres@17", "DATABASE"),
    ("dokku-postgres", "postgres", "postgres@17", "DATABASE"),
    ("postgres", "postgres", "postgres@17", "DATABASE"),
    ("crunchy-postgres", "postgres", "postgres@17", "DATABASE"),
    ("dokku-redis", "redis", "redis@8.0", "REDIS"),
    ("dokku-mariadb", "mariadb", "mariadb@11.8", "DATABASE"),
    ("dokku-mysql", "mariadb", "mariadb@11.8", "DATABASE"),
    ("heroku-redis", "redis", "redis@8.0", "REDIS"),
    ("rediscloud", "redis", "redis@8.0", "REDISCLOUD"),
    ("redistogo", "redis", "redis@8.0", "REDISTOGO"),
    ("openredis", "redis", "redis@8.0", "OPENREDIS"),
    ("upstash-redis", "redis", "redis@8.0", "REDIS"),
    ("stackhero-redis", "redis", "redis@8.0", "STACKHERO_REDIS"),
    ("redis", "redis", "redis@8.0", "REDIS"),
    ("jawsdb-maria", "mariadb", "mariadb@11.8", "JAWSDB_MARIA"),
    ("jawsdb", "mariadb", "mariadb@11.8", "JAWSDB"),
    ("cleardb", "mariadb", "mariadb@11.8", "CLEARDB_DATABASE"),
    ("mariadb", "mariadb", "mariadb@11.8", "DATABASE"),
    ("mysql", "mariadb", "mariadb@11.8", "DATABASE"),
];

impl Reader<'_> {
    /// `key` and the reader's file say where they stand.
    pub(super) fn addons(&mut self, node: &Node, at: Place, key: &str) {
        let file = self.file;
        let place = |position| Place {
            file,
            ..place(position)
        };
        let others: Vec<_> = self.uses.clone();
        let Value::List(items) = &node.value else {
            let remedy = "Write [\"heroku-postgresql\"].";
            self.told
                .invalid(at, key, "`addons` is not a list.", remedy);
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let (at, path) = (place(item.at), format!("{key}[{index}]"));
            let plan = item
                .as_text()
                .or_else(|| item.get("plan").and_then(Node::as_text));
            let Some(plan) = plan else {
                self.told
                    .invalid(at, &path, "It names no plan.", "Write { \"plan\": \"…\" }.");
                continue;
            };
            let (service, size) = plan.split_once(':').unwrap_or((plan, ""));
            let known = DATABASES.iter().find(|(name, ..)| *name == service);
            let Some((_, component, usual, prefix)) = known else {
                self.told.refused(
                    at,
                    &path,
                    format!("The add-on `{service}` is a service of somebody else."),
                    "Run what it gives as a component, or set the variables with its address: `pluvio config:set`.",
                );
                continue;
            };
            let mut database = (*usual).to_owned();
            let mut prefix = (*prefix).to_owned();
            for entry in item.entries() {
                let (at, inner) = (place(entry.key_at), format!("{path}.{}", entry.key));
                match entry.key.as_str() {
                    "plan" => {}
                    "as" => {
                        prefix = entry
                            .value
                            .as_text()
                            .unwrap_or_default()
                            .trim()
                            .to_ascii_uppercase();
                    }
                    "options" => {
                        for option in entry.value.entries() {
                            let version = option.value.as_text().unwrap_or_default();
                            let (engine, _) = usual.split_once('@').unwrap_or((usual, ""));
                            if option.key == "version" && !version.is_empty() {
                                database = format!("{engine}@{version}");
                            } else {
                                self.told.ignored(
                                    place(option.key_at),
                                    &format!("{inner}.{}", option.key),
                                    "An option of the add-on's own plan.",
                                );
                            }
                        }
                    }
                    _ => {
                        self.told
                            .refused(at, &inner, "There is no such key here.", "Take it out.");
                        continue;
                    }
                }
            }
            let is_there = |of: &Use| matches!(of, Use::As(of) if of.prefix.as_ref().is_some_and(|known| known.to_string() == prefix));
            if others.iter().any(is_there) {
                self.told
                    .ignored(at, &path, format!("heroku.yml has it, as {prefix}."));
                continue;
            }
            let name = self.free(component);
            if database.parse::<pluvio_model::spec::Database>().is_err() {
                self.told.refused(
                    at,
                    &path,
                    format!("`{database}` is no database that can be run."),
                    format!("Ask for another version, such as {usual}."),
                );
                continue;
            }
            let Ok(as_prefix) = prefix.parse() else {
                let remedy = "Write \"as\" of letters and digits.";
                self.told.invalid(
                    at,
                    &path,
                    format!("`{prefix}` begins no variable's name."),
                    remedy,
                );
                continue;
            };
            let sized = if size.is_empty() {
                String::new()
            } else {
                format!("; the plan `{size}` says nothing here")
            };
            self.told.adapted(
                at,
                &path,
                format!("It becomes the database `{name}`, {database}, its address in {prefix}_URL{sized}."),
            );
            let component = ComponentSpec {
                kind: Kind::Database,
                database: Some(database),
                ..ComponentSpec::default()
            };
            self.import.spec.components.insert(name.clone(), component);
            self.uses.push(Use::As(pluvio_model::spec::UseAs {
                component: name,
                prefix: Some(as_prefix),
            }));
        }
    }

    fn free(&self, wanted: &str) -> Name {
        let mut name: Name = wanted.parse().expect("a name");
        let mut count = 2;
        while self.import.spec.components.contains_key(&name) {
            name = format!("{wanted}-{count}").parse().expect("a name");
            count += 1;
        }
        name
    }
}
