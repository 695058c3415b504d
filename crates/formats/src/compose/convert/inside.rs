//! Rows for what is in a part that is told of as a whole.

use super::super::item::{Item, Place, Value};
use crate::report::{Outcome, Row};

/// Keys that are told of as a whole wherever they are refused or without effect: what is in them gets rows, too.
const WHOLE: [&str; 27] = [
    "annotations",
    "cache_from",
    "cache_to",
    "credential_spec",
    "develop",
    "driver_opts",
    "entitlements",
    "external_links",
    "extra_hosts",
    "generic_resources",
    "ipam",
    "labels",
    "link_local_ips",
    "logging",
    "models",
    "options",
    "placement",
    "platforms",
    "post_start",
    "pre_start",
    "pre_stop",
    "provider",
    "rollback_config",
    "tags",
    "ulimits",
    "volume",
    "x-",
];

pub(super) fn tell_inside(document: &Item, rows: &mut Vec<Row>) {
    let mut inside: Vec<Row> = Vec::new();
    for row in rows.iter() {
        let last = row.at.rsplit('.').next().unwrap_or_default();
        let whole = WHOLE.contains(&last) || last.starts_with("x-");
        if !whole || !matches!(row.outcome, Outcome::Refused | Outcome::Ignored) {
            continue;
        }
        if let Some(item) = find(document, &row.at) {
            each_inside(item, &row.at, row, &mut inside);
        }
    }
    rows.append(&mut inside);
}

/// The part at a path of keys, some of which hold dots themselves.
fn find<'i>(item: &'i Item, path: &str) -> Option<&'i Item> {
    if path.is_empty() {
        return Some(item);
    }
    item.as_map()?
        .iter()
        .filter_map(|(key, field)| {
            let rest = path.strip_prefix(key.as_str())?;
            match rest.strip_prefix('.') {
                Some(rest) => find(&field.item, rest),
                None if rest.is_empty() => Some(&field.item),
                None => None,
            }
        })
        .next()
}

fn each_inside(item: &Item, path: &str, of: &Row, out: &mut Vec<Row>) {
    let row = |path: &str, at: Place| Row {
        at: path.to_owned(),
        line: (at.line > 0).then_some(at.line),
        message: format!("It goes with `{}`.", of.at),
        ..of.clone()
    };
    match &item.value {
        Value::Map(map) => {
            for (key, field) in map {
                let path = format!("{path}.{key}");
                out.push(row(&path, field.at));
                each_inside(&field.item, &path, of, out);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                out.push(row(&path, item.at));
                each_inside(item, &path, of, out);
            }
        }
        _ => {}
    }
}
