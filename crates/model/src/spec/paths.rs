//! Maps by path. `/d` and `/d/` are one path, of which the second would silently replace the first.

use std::fmt;
use std::marker::PhantomData;

use indexmap::IndexMap;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::AbsolutePath;
use crate::text::ScalarText;

/// Reads a map of which each path is given once.
pub(super) fn distinct<'de, D, V>(from: D) -> Result<IndexMap<AbsolutePath, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    from.deserialize_map(Distinct(PhantomData))
}

struct Distinct<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Distinct<V> {
    type Value = IndexMap<AbsolutePath, V>;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut all: Self::Value = IndexMap::new();
        while let Some(path) = entries.next_key_seed(Another(&all))? {
            let value = entries.next_value()?;
            all.insert(path, value);
        }
        Ok(all)
    }
}

/// A path that is none of these. Refused where the key is read, so that the error has the key's place.
struct Another<'m, V>(&'m IndexMap<AbsolutePath, V>);

impl<'de, V> DeserializeSeed<'de> for Another<'_, V> {
    type Value = AbsolutePath;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<AbsolutePath, D::Error> {
        let text = ScalarText::deserialize(from)?.0;
        let path: AbsolutePath = text.parse().map_err(D::Error::custom)?;
        if self.0.contains_key(&path) {
            let message = format!("the path `{path}` is given twice; `{text}` is the second time");
            return Err(D::Error::custom(message));
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::ComponentSpec;

    #[test]
    fn a_path_is_given_once_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<ComponentSpec>(text);
        let two = r#"{ "volumes": { "/d": { "name": "v" }, "/d/": { "name": "w" } } }"#;
        let error = read(two).expect_err("one path").to_string();
        assert!(error.contains("`/d` is given twice; `/d/`"), "{error}");
        assert!(
            read(r#"{ "files": { "/a": { "content": "x" }, "/a//": { "content": "y" } } }"#)
                .is_err()
        );
        let apart = r#"{ "volumes": { "/d": { "name": "v" }, "/d/e/": { "name": "w" } } }"#;
        assert_eq!(read(apart).expect("two paths").volumes.len(), 2);
    }
}
