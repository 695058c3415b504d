//! What is in a cluster, whoever made it. Nothing of it is kept: a list is asked for page by page, as the API server's own
//! tables, which leave bodies out; only one object at a time is read whole.

mod detail;
mod words;

use std::collections::HashSet;
use std::time::Duration;

use kube::Error;
use kube::core::ObjectMeta;
use pluvio_model::objects::{
    ObjectCell, ObjectKind, ObjectPage, ObjectRow, ObjectSeen, ObjectState, ObjectsAsk, Whose,
};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::kubernetes::key;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{end, told};
use crate::{KubernetesRuntime, MANAGER};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// Objects that are looked through for one page: whoever looks for a word gets an answer, and may go on.
const LOOKED_THROUGH: usize = 5_000;
/// Rows that are asked for at once while something is looked for.
const AT_ONCE: u32 = 500;
const PATIENCE: Duration = Duration::from_secs(15);
/// Characters of a cell: some list every port there is.
const LONGEST: usize = 200;

/// Where the objects of a kind are: the API's path, the plural, whether they are in namespaces.
const fn place(kind: ObjectKind) -> (&'static str, &'static str, bool) {
    match kind {
        ObjectKind::Pods => ("/api/v1", "pods", true),
        ObjectKind::Deployments => ("/apis/apps/v1", "deployments", true),
        ObjectKind::StatefulSets => ("/apis/apps/v1", "statefulsets", true),
        ObjectKind::DaemonSets => ("/apis/apps/v1", "daemonsets", true),
        ObjectKind::Jobs => ("/apis/batch/v1", "jobs", true),
        ObjectKind::CronJobs => ("/apis/batch/v1", "cronjobs", true),
        ObjectKind::Services => ("/api/v1", "services", true),
        ObjectKind::Ingresses => ("/apis/networking.k8s.io/v1", "ingresses", true),
        ObjectKind::HttpRoutes => ("/apis/gateway.networking.k8s.io/v1", "httproutes", true),
        ObjectKind::ConfigMaps => ("/api/v1", "configmaps", true),
        ObjectKind::Secrets => ("/api/v1", "secrets", true),
        ObjectKind::Hpas => ("/apis/autoscaling/v2", "horizontalpodautoscalers", true),
        ObjectKind::Namespaces => ("/api/v1", "namespaces", false),
        ObjectKind::Nodes => ("/api/v1", "nodes", false),
        ObjectKind::Events => ("/api/v1", "events", true),
    }
}

fn path(kind: ObjectKind, namespace: Option<&str>) -> String {
    let (api, plural, namespaced) = place(kind);
    match namespace.filter(|_| namespaced) {
        Some(namespace) => format!("{api}/namespaces/{namespace}/{plural}"),
        None => format!("{api}/{plural}"),
    }
}

#[derive(Deserialize)]
struct Table {
    metadata: ListMeta,
    #[serde(rename = "columnDefinitions")]
    columns: Vec<Column>,
    #[serde(default)]
    rows: Vec<TableRow>,
}
#[derive(Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}
#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(default)]
    priority: i32,
}
#[derive(Deserialize)]
struct TableRow {
    cells: Vec<Value>,
    object: Described,
}
#[derive(Deserialize)]
struct Described {
    metadata: ObjectMeta,
}

/// Where a page begins: the API server's own page, and how many rows of it were shown.
#[derive(Default, Serialize, Deserialize)]
struct Cursor {
    token: String,
    shown: usize,
}

impl Cursor {
    fn read(text: Option<&str>) -> Result<Cursor, Problem> {
        let Some(text) = text else {
            return Ok(Cursor::default());
        };
        serde_json::from_str(text).map_err(|_| {
            problem::REQUEST_INVALID.problem(
                "`after` is not a cursor of this list.",
                "Send `next` of the page before as it is, or ask for the list from its beginning.",
            )
        })
    }

    fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

impl KubernetesRuntime {
    pub(crate) async fn objects(&self, ask: &ObjectsAsk) -> Result<ObjectPage, Problem> {
        if ask.kind == ObjectKind::Events {
            return self.events(ask);
        }
        let looked = tokio::time::timeout(PATIENCE, self.look_through(ask)).await;
        looked.unwrap_or_else(|_| Err(too_late()))
    }

    async fn look_through(&self, ask: &ObjectsAsk) -> Result<ObjectPage, Problem> {
        let wanted = ask.limit as usize;
        let narrowed = ask.find.is_some() || ask.whose.is_some();
        let at_once = if narrowed { AT_ONCE } else { ask.limit };
        let mut at = Cursor::read(ask.after.as_deref())?;
        let mut page = ObjectPage::default();
        let mut looked = 0;
        loop {
            let table = self.table(ask, at_once, &at.token).await?;
            let next = table.metadata.next.filter(|token| !token.is_empty());
            looked += table.rows.len();
            for (index, row) in table.rows.into_iter().enumerate().skip(at.shown) {
                if page.items.len() == wanted {
                    at.shown = index;
                    page.next = at.text();
                    return Ok(page);
                }
                let row = shown(ask.kind, &table.columns, row);
                if fits(ask, &row) {
                    page.items.push(row);
                }
            }
            let Some(token) = next else {
                return Ok(page);
            };
            at = Cursor { token, shown: 0 };
            if page.items.len() == wanted || looked >= LOOKED_THROUGH {
                page.next = at.text();
                return Ok(page);
            }
        }
    }

    /// One page as the API server has it: its columns, and of objects only what is about all of them.
    async fn table(&self, ask: &ObjectsAsk, limit: u32, token: &str) -> Result<Table, Problem> {
        let path = path(ask.kind, ask.namespace.as_deref());
        let mut query = format!("{path}?limit={limit}&includeObject=Metadata");
        if !token.is_empty() {
            query.push_str("&continue=");
            query.extend(escaped(token));
        }
        let request = http::Request::get(query).header(http::header::ACCEPT, TABLE);
        self.read(ask.kind, request).await
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        kind: ObjectKind,
        request: http::request::Builder,
    ) -> Result<T, Problem> {
        let client = &self.shared().client;
        let request = request.body(Vec::new()).map_err(Error::HttpError);
        let answer = match request {
            Ok(request) => client.request(request).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| of_reading(kind, &error))
    }

    pub(crate) async fn object(
        &self,
        kind: ObjectKind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<ObjectSeen, Problem> {
        let namespaced = place(kind).2;
        if namespaced && namespace.is_none() {
            return Err(problem::REQUEST_INVALID.problem(
                format!(
                    "A {} is in a namespace, and none is named.",
                    kind.singular()
                ),
                "Name it with `namespace`.",
            ));
        }
        let path = format!("{}/{name}", path(kind, namespace));
        let looked = tokio::time::timeout(PATIENCE, async {
            let body: Value = self.read(kind, http::Request::get(path)).await?;
            let events = self.events_of(kind, namespace, name).await?;
            Ok(detail::seen(kind, body, events))
        });
        looked.await.unwrap_or_else(|_| Err(too_late()))
    }

    /// From what the watch told: events cannot be asked for in the order in which they came.
    fn events(&self, ask: &ObjectsAsk) -> Result<ObjectPage, Problem> {
        let at = Cursor::read(ask.after.as_deref())?;
        // Those that something of ours runs in, and Pluvio's own.
        let mut homes: HashSet<String> = self
            .workloads()
            .into_iter()
            .map(|one| one.namespace)
            .collect();
        homes.insert(self.shared().config.namespace.clone());
        let mut all: Vec<_> = self.view().seen().events.values().cloned().collect();
        all.sort_by_key(|event| std::cmp::Reverse(event.last));
        let rows = all.into_iter().filter(|event| {
            let namespace = ask.namespace.as_ref();
            namespace.is_none() || namespace == event.namespace.as_ref()
        });
        let rows = rows.map(|event| ObjectRow {
            name: format!("{} {}", event.kind, event.name),
            created: event.last,
            is_ours: event
                .namespace
                .as_ref()
                .is_some_and(|name| homes.contains(name)),
            application: None,
            state: match event.is_warning {
                true => ObjectState::Degraded,
                false => ObjectState::There,
            },
            note: event.message,
            cells: [
                ("Reason", event.reason),
                ("Count", event.count.to_string()),
                ("Source", event.source),
            ]
            .map(|(name, value)| ObjectCell {
                name: name.to_owned(),
                value,
            })
            .into(),
            namespace: event.namespace,
        });
        let rows: Vec<ObjectRow> = rows.filter(|row| fits(ask, row)).collect();
        let to = at.shown + ask.limit as usize;
        let next = Cursor {
            shown: to,
            ..Cursor::default()
        };
        Ok(ObjectPage {
            next: (rows.len() > to).then(|| next.text()).flatten(),
            items: rows
                .into_iter()
                .skip(at.shown)
                .take(ask.limit as usize)
                .collect(),
        })
    }
}

fn too_late() -> Problem {
    problem::CLUSTER_UNREACHABLE.problem(
        format!(
            "The cluster did not answer within {} s.",
            PATIENCE.as_secs()
        ),
        "Try again; `kubectl get --raw /readyz` tells whether the API server is well.",
    )
}

fn of_reading(kind: ObjectKind, error: &Error) -> Problem {
    let said = told(error);
    let said = end(&said);
    match error {
        Error::Api(status) if status.code == 410 => problem::CONFLICT.problem(
            "The list changed since its first page was read, and cannot be gone on with.",
            "Ask for it from its beginning.",
        ),
        Error::Api(status) if status.code == 404 && kind == ObjectKind::HttpRoutes => {
            problem::NOT_FOUND.problem(
                format!("There is none: {said}."),
                "HTTPRoutes are there where the Gateway API is installed (gateway-api.sigs.k8s.io).",
            )
        }
        Error::Api(status) if status.code == 404 => {
            problem::NOT_FOUND.problem(format!("{said}."), "It may just have gone. Read the list again.")
        }
        Error::Api(status) if status.code == 401 || status.code == 403 => problem::REFUSED.problem(
            format!("The cluster does not let Pluvio read that: {said}."),
            "Add the cluster again (`pluvio cluster add`) with a credential that may give Pluvio's account what it needs, or give it the permission that is named.",
        ),
        _ => problem::CLUSTER_UNREACHABLE.problem(
            format!("The cluster did not answer: {said}."),
            "Try again; `kubectl get --raw /readyz` tells whether the API server is well.",
        ),
    }
}

/// As a value in a query.
fn escaped(text: &str) -> Vec<char> {
    let each = text.bytes().flat_map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => vec![byte as char],
        byte => format!("%{byte:02X}").chars().collect(),
    });
    each.collect()
}

fn shown(kind: ObjectKind, columns: &[Column], row: TableRow) -> ObjectRow {
    let metadata = row.object.metadata;
    let labels = metadata.labels.unwrap_or_default();
    let by = labels.get("app.kubernetes.io/managed-by");
    let text = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        text.chars().take(LONGEST).collect::<String>()
    };
    let name = metadata.name.unwrap_or_default();
    let wide = ["Node", "IP", "Images"];
    let cells = columns.iter().zip(&row.cells);
    let cells: Vec<ObjectCell> = cells
        .filter(|(column, _)| {
            let first = column.priority == 0 || wide.contains(&column.name.as_str());
            first && !["Name", "Age"].contains(&column.name.as_str())
        })
        .map(|(column, value)| ObjectCell {
            name: column.name.clone(),
            value: text(value),
        })
        .collect();
    let (state, note) = words::of(kind, &cells);
    ObjectRow {
        is_ours: labels.contains_key(key::APPLICATION) || by.is_some_and(|by| by == MANAGER),
        application: labels
            .contains_key(key::APPLICATION)
            .then(|| labels.get("app.kubernetes.io/part-of").cloned())
            .flatten(),
        namespace: metadata.namespace,
        name,
        created: metadata.creation_timestamp.map(|time| time.0),
        state,
        note,
        cells,
    }
}

fn fits(ask: &ObjectsAsk, row: &ObjectRow) -> bool {
    match ask.whose {
        Some(Whose::Ours) if !row.is_ours => return false,
        Some(Whose::Foreign) if row.is_ours => return false,
        _ => {}
    }
    let Some(find) = &ask.find else {
        return true;
    };
    let cells = row.cells.iter().map(|cell| cell.value.as_str());
    let words = [
        row.namespace.as_deref().unwrap_or_default(),
        row.name.as_str(),
        row.note.as_str(),
    ];
    let text = words.into_iter().chain(cells).collect::<Vec<_>>().join(" ");
    let text = text.to_lowercase();
    find.to_lowercase()
        .split_whitespace()
        .all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else() {
        let at = Cursor {
            token: "eyJ2=&+".to_owned(),
            shown: 7,
        };
        let back = Cursor::read(at.text().as_deref()).unwrap();
        assert_eq!((back.token, back.shown), (at.token, 7));
        assert_eq!(
            Cursor::read(Some("7")).err().unwrap().code,
            "request.invalid"
        );
        assert_eq!(
            escaped("a=&/").into_iter().collect::<String>(),
            "a%3D%26%2F"
        );
    }
}
