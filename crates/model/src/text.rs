//! Serde and schema plumbing for newtypes whose text form is their only form.

/// Implements `Display` → `Serialize`, `FromStr` → `Deserialize`, and a string `JsonSchema` with a pattern.
macro_rules! text_newtype {
    ($type:ident, $pattern:expr, $about:expr) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = $crate::text::ScalarText::deserialize(from)?;
                text.0.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = schemars::json_schema!({ "type": ["string", "number"], "description": $about });
                if let Some(pattern) = $pattern as Option<&str> {
                    schema.insert("pattern".to_owned(), pattern.into());
                }
                schema
            }
        }
    };
}
pub(crate) use text_newtype;

/// The newtype name under which a scalar's text is asked for. A reader that knows how a scalar was written gives that to
/// `visit_str` (`version: 1.10` is not `1.1`); any other does as always.
pub const WRITTEN: &str = "pluvio::Written";

/// A scalar taken as its text: YAML writes `cpu: 1` and `cpu: 100m` for the same kind of value.
pub(crate) struct ScalarText(pub(crate) String);

impl<'de> serde::Deserialize<'de> for ScalarText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = ScalarText;
            fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
                out.write_str("a string or a number")
            }
            fn visit_newtype_struct<D: serde::Deserializer<'de>>(
                self,
                from: D,
            ) -> Result<ScalarText, D::Error> {
                from.deserialize_any(self)
            }
            fn visit_str<E>(self, text: &str) -> Result<ScalarText, E> {
                Ok(ScalarText(text.to_owned()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<ScalarText, E> {
                Ok(ScalarText(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<ScalarText, E> {
                Ok(ScalarText(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<ScalarText, E> {
                Ok(ScalarText(number.to_string()))
            }
        }
        from.deserialize_newtype_struct(WRITTEN, Visitor)
    }
}
