//! Which of the selected drills can be performed where the run is, found out before any begins. The
//! others are skipped, each with the reason; where none is left, that is an error.

use super::{Failure, tools};
use crate::{
    drill::nodes,
    history::planned::Skipped,
    runtime::{Runtime, local},
    scenario::plan::Plan,
};

/// The plans that can be performed, and those that are skipped.
///
/// # Errors
/// When none can be, a program is not there at all, or nobody can be asked.
pub async fn sorted(
    plans: Vec<Plan>,
    runtime: &Runtime,
) -> Result<(Vec<Plan>, Vec<Skipped>), Failure> {
    let mut skipped = Vec::new();
    let plans = without(plans, &mut skipped, |plan| hindrance(plan, runtime));
    let mut too_old = tools::too_old(&plans, runtime).await?;
    let plans = without(plans, &mut skipped, |plan| too_old.remove(&plan.drill));
    match plans.is_empty() {
        true => Err(Failure::BadInput(none_left(&skipped))),
        false => Ok((plans, skipped)),
    }
}

fn without(
    mut plans: Vec<Plan>,
    skipped: &mut Vec<Skipped>,
    mut why: impl FnMut(&Plan) -> Option<String>,
) -> Vec<Plan> {
    plans.retain(|plan| {
        let why = why(plan);
        let drill = plan.drill.clone();
        skipped.extend(why.map(|why| Skipped { drill, why }));
        skipped.last().is_none_or(|last| last.drill != plan.drill)
    });
    plans
}

/// What the plan itself says: a tool that is later than its PostgreSQL, or what processes of this machine can't do.
fn hindrance(plan: &Plan, runtime: &Runtime) -> Option<String> {
    let later = plan.strategy.backups.iter().find_map(|(name, backup)| {
        let abilities = backup.tool.abilities();
        (abilities.postgres > plan.postgres).then(|| {
            format!(
                "backup `{name}` of strategy `{}` is by `{}`, which needs PostgreSQL ≥ {}",
                plan.strategy.name, abilities.tool, abilities.postgres
            )
        })
    });
    let refused = || match runtime {
        Runtime::Local(_) => nodes::specs(plan).find_map(|spec| local::refused(&spec)),
        _other => None,
    };
    later.or_else(|| Some(format!("the `local` runtime can't {}", refused()?)))
}

fn none_left(skipped: &[Skipped]) -> String {
    let each = skipped
        .iter()
        .map(|one| format!("  {}: {}\n", one.drill, one.why));
    format!(
        "none of the selected drills can be performed here\n{}  hint: choose another `--runtime` or \
         `--postgres`, or select others",
        each.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::salvage;

    #[test]
    fn what_is_skipped_is_told_with_its_reason_and_the_others_are_left() {
        let mut plans = vec![salvage().plan, salvage().plan];
        plans[1].drill = "another".into();
        let mut skipped = Vec::new();
        let why = |plan: &Plan| (plan.drill == "another").then(|| "needs PostgreSQL ≥ 17".into());
        let left = without(plans, &mut skipped, why);
        assert_eq!(left.len(), 1);
        assert_eq!(skipped[0].drill, "another");
        let told = none_left(&skipped);
        assert!(
            told.contains("  another: needs PostgreSQL ≥ 17\n"),
            "{told}"
        );
    }
}
