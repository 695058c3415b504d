//! The JSON Schema of `app.yaml`, made from the model's types. `docs/schema/app.json` is a copy of it, held by a test.

use pluvio_model::spec::{AppSpec, ComponentSpec};
use serde_json::{Map, Value as Json, json};

/// The schema (draft 2020-12). The fields of a lone component may stand at the top, so the root has them too.
pub fn app() -> Json {
    let mut app = schemars::schema_for!(AppSpec).to_value();
    let component = schemars::schema_for!(ComponentSpec).to_value();
    let of = |schema: &Json, key: &str| -> Map<String, Json> {
        schema[key].as_object().cloned().unwrap_or_default()
    };
    let mut definitions = of(&app, "$defs");
    definitions.extend(of(&component, "$defs"));
    let mut properties = of(&app, "properties");
    for (key, schema) in of(&component, "properties") {
        let both = match properties.shift_remove(&key) {
            // The application's form first, then the component's.
            Some(of_app) if of_app != schema => json!({ "anyOf": [of_app, schema] }),
            _ => schema,
        };
        properties.insert(key, both);
    }
    properties.insert("apiVersion".into(), json!({ "const": "pluvio/v1" }));
    let root = app.as_object_mut().expect("a schema is an object");
    root.insert("title".into(), "app.yaml".into());
    root.insert(
        "description".into(),
        "An application for Pluvio. An application of one component may put the component's fields at the top.".into(),
    );
    root.insert("properties".into(), properties.into());
    root.insert("patternProperties".into(), json!({ "^x-": {} }));
    root.insert("$defs".into(), definitions.into());
    app
}

#[cfg(test)]
mod tests {
    /// Set `UPDATE_EXPECT=1` to write the file anew.
    #[test]
    fn the_committed_schema_is_the_one_the_types_give() {
        let mut text = serde_json::to_string_pretty(&super::app()).unwrap();
        text.push('\n');
        expect_test::expect_file!["../../../docs/schema/app.json"].assert_eq(&text);
    }
}
