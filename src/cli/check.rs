//! `pgdrill check`: says of each scenario file whether it is sound, and all that is not.

use super::{CommandResult, Failure};
use crate::{finding::Verdict, report::terminal, scenario};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenarios: files, folders, names or tags; none: all there are.
    selectors: Vec<String>,
}

pub async fn run(args: Args) -> CommandResult {
    let sources = scenario::select::find(&args.selectors)?;
    let total = sources.len();
    let mut bad = 0;
    for source in sources {
        let path = source.path.clone();
        match scenario::plans_of(source, &[]) {
            Ok(loaded) => {
                super::warn(&loaded.warnings);
                let drills: Vec<&str> = loaded.plans.iter().map(|p| p.drill.as_str()).collect();
                terminal::data(&format!("ok  {path}  {}", drills.join(" ")));
            }
            Err(problems) => {
                bad += 1;
                terminal::show(&format!("{problems}\n"));
            }
        }
    }
    if bad > 0 {
        let message = format!("{bad} of {total} scenario files cannot be performed");
        return Err(Failure::BadInput(message));
    }
    Ok(Verdict::Pass)
}
