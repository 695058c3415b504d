//! What happened to instances.

use clap::Args;
use pluvio_api::applications::Page;
use pluvio_model::observed::InstanceEvent;

use super::{Done, instances};
use crate::context::{Context, escape};
use crate::output::{Tone, ago};

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Only those of this component
    pub(crate) component: Option<String>,
    #[arg(long)]
    pub(crate) instance: Option<String>,
    /// Only what is a warning
    #[arg(long)]
    pub(crate) warnings: bool,
}

pub(crate) async fn list(context: &Context, args: &EventsArgs) -> Done {
    let mut query = vec![format!("warnings={}", args.warnings)];
    if let Some(component) = &args.component {
        query.push(format!("component={}", escape(component)));
    }
    if let Some(asked) = &args.instance {
        let name = instances::named(context, asked).await?;
        query.push(format!("instance={}", escape(&name)));
    }
    let path = format!("{}/events?{}", context.app_path()?, query.join("&"));
    let page: Page<InstanceEvent> = context.client()?.get(&path).await?;
    if context.out.json {
        context.out.document(&page.items);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = page
        .items
        .iter()
        .map(|event| {
            let container = event.container.as_deref();
            let container = container.map(|name| format!("/{name}"));
            let tone = match event.is_warning {
                true => Tone::Warn,
                false => Tone::Faint,
            };
            vec![
                ago(event.last),
                event.count.to_string(),
                format!("{}{}", event.instance, container.unwrap_or_default()),
                context.out.paint(tone, event.reason.clone()),
                event.message.clone(),
            ]
        })
        .collect();
    let head = ["LAST", "TIMES", "INSTANCE", "REASON", "WHAT HAPPENED"];
    context.out.table(&head, &rows);
    Ok(())
}
