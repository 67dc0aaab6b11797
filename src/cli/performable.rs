//! Which of the selected drills can be performed where the run is, found out before any begins. The
//! others are skipped, each with the reason; where none is left, that is an error.

use super::{Failure, tools};
use crate::{
    drill::nodes,
    history::planned::Skipped,
    runtime::{Runtime, local},
    scenario::plan::Plan,
};

/// Those of the plans that can't be performed, each with the reason.
///
/// # Errors
/// When none can be, a program is not there at all, or nobody can be asked.
pub async fn skipped(plans: &[Plan], runtime: &Runtime) -> Result<Vec<Skipped>, Failure> {
    let mut all = those(plans, |plan| hindrance(plan, runtime));
    let others: Vec<&Plan> = plans.iter().filter(|plan| !has(&all, plan)).collect();
    let too_old = tools::too_old(&others, runtime).await?;
    all.extend(those(others, |plan| too_old.get(&plan.drill).cloned()));
    match all.len() == plans.len() {
        true => Err(Failure::BadInput(none_left(&all))),
        false => Ok(all),
    }
}

/// Those for which there is a reason.
fn those<'p>(
    plans: impl IntoIterator<Item = &'p Plan>,
    why: impl Fn(&Plan) -> Option<String>,
) -> Vec<Skipped> {
    let skipped = |plan: &Plan| {
        let why = why(plan)?;
        let drill = plan.drill.clone();
        Some(Skipped { drill, why })
    };
    plans.into_iter().filter_map(skipped).collect()
}

/// Whether a plan's drill is among these.
pub fn has(skipped: &[Skipped], plan: &Plan) -> bool {
    skipped.iter().any(|one| one.drill == plan.drill)
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
        let why = |plan: &Plan| (plan.drill == "another").then(|| "needs PostgreSQL ≥ 17".into());
        let skipped = those(&plans, why);
        plans.retain(|plan| !has(&skipped, plan));
        assert_eq!(plans.len(), 1);
        assert_eq!(skipped[0].drill, "another");
        let told = none_left(&skipped);
        assert!(
            told.contains("  another: needs PostgreSQL ≥ 17\n"),
            "{told}"
        );
    }
}
