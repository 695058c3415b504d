//! Which components start after which.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::problem::{Problem, SPEC_CONFLICT, SPEC_UNKNOWN_REFERENCE};
use pluvio_model::spec::{AppSpec, Kind, Use};

/// For each component, those it uses, each once. A component that uses itself, however indirectly, is refused.
pub(super) fn decide(spec: &AppSpec, problems: &mut Vec<Problem>) -> IndexMap<Name, Vec<Name>> {
    let mut after: IndexMap<Name, Vec<Name>> = IndexMap::new();
    for (name, component) in &spec.components {
        let mut before: Vec<Name> = Vec::new();
        for (index, used) in component.uses.iter().map(Use::component).enumerate() {
            if !spec.components.contains_key(used) {
                let names: Vec<&str> = spec.components.keys().map(|name| name.as_str()).collect();
                problems.push(
                    SPEC_UNKNOWN_REFERENCE
                        .problem(
                            format!("{name} uses {used}, and there is no such component."),
                            format!("The components are: {}.", names.join(", ")),
                        )
                        .path(format!("components.{name}.uses.{index}")),
                );
            } else if !before.contains(used)
                // What is outside is there or not: nothing waits for it.
                && spec.components[used].kind != Kind::External
            {
                before.push(used.clone());
            }
        }
        after.insert(name.clone(), before);
    }
    if let Some(circle) = circle(&after) {
        let told: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
        problems.push(
            SPEC_CONFLICT
                .problem(
                    format!("The components use each other in a circle: {}.", told.join(" → ")),
                    "Take one of these out of `uses`; a reference such as ${web.url} in a variable needs no `uses`.",
                )
                .path(format!("components.{}.uses", circle[0])),
        );
    }
    after
}

/// A circle, its first member again at its end.
fn circle(after: &IndexMap<Name, Vec<Name>>) -> Option<Vec<Name>> {
    fn walk(
        name: &Name,
        after: &IndexMap<Name, Vec<Name>>,
        trail: &mut Vec<Name>,
        done: &mut Vec<Name>,
    ) -> Option<Vec<Name>> {
        if let Some(at) = trail.iter().position(|earlier| earlier == name) {
            let mut circle = trail[at..].to_vec();
            circle.push(name.clone());
            return Some(circle);
        }
        if done.contains(name) {
            return None;
        }
        trail.push(name.clone());
        for next in after.get(name).into_iter().flatten() {
            if let Some(circle) = walk(next, after, trail, done) {
                return Some(circle);
            }
        }
        trail.pop();
        done.push(name.clone());
        None
    }
    let mut done = Vec::new();
    after
        .keys()
        .find_map(|name| walk(name, after, &mut Vec::new(), &mut done))
}
