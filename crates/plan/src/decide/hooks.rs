//! Commands beside the program, their variables put in.

use pluvio_model::name::Name;
use pluvio_model::release::{DecidedHook, DecidedHooks};
use pluvio_model::spec::{ComponentSpec, Hook};

use super::Deciding;

impl Deciding<'_> {
    pub(super) fn hooks(&mut self, name: &Name, component: &ComponentSpec) -> DecidedHooks {
        let Some(hooks) = &component.hooks else {
            return DecidedHooks::default();
        };
        DecidedHooks {
            post_start: self.each_hook(name, "postStart", &hooks.post_start),
            pre_stop: self.each_hook(name, "preStop", &hooks.pre_stop),
        }
    }

    /// References in their variables are read in the component's environment.
    fn each_hook(&mut self, name: &Name, which: &str, hooks: &[Hook]) -> Vec<DecidedHook> {
        let mut decided = Vec::new();
        for (index, hook) in hooks.iter().enumerate() {
            let path = format!("components.{name}.hooks.{which}.{index}");
            let env = hook.env.iter().map(|(key, value)| {
                let at = format!("{path}.env.{key}");
                (key.clone(), self.environments.render(name, &value.0, &at))
            });
            decided.push(DecidedHook {
                env: env.collect(),
                command: hook.command.words(),
                user: hook.user.clone(),
                working_dir: hook.working_dir.clone(),
                privileged: hook.privileged,
                timeout: hook.timeout,
            });
        }
        decided
    }
}
