//! `fault`: every injection was shown to have taken effect. One without effect proves nothing
//! about the backup, so it is `unknown`.

use super::{Context, any, count};
use crate::{event::FaultRecord, finding::Finding, scenario::plan::Action};

/// None when the plan injects nothing.
pub(super) fn check(context: &Context<'_>) -> Option<Finding> {
    let steps = context.history.plan.steps.iter();
    let planned = steps
        .filter(|step| matches!(step.action, Action::Inject(_)))
        .count();
    if planned == 0 {
        return None;
    }
    let faults: Vec<&FaultRecord> = context.history.faults().collect();
    if faults.len() < planned {
        let message = format!("{} of {planned} faults were injected", faults.len());
        return Some(context.unknown("fault", message));
    }
    let details: Vec<String> = faults.iter().map(|fault| line(fault)).collect();
    let Some(vain) = faults.iter().find(|fault| !fault.took_effect) else {
        let message = format!(
            "{} shown to have taken effect",
            count(faults.len(), "fault")
        );
        let at_stake = any(faults.len(), "fault", "without an effect");
        return Some(Finding::pass("fault", at_stake, message).details(details));
    };
    let message = format!(
        "`{}` on {} had no effect: {}",
        vain.fault, vain.target, vain.evidence
    );
    Some(Finding::unknown("fault", message).details(details))
}

fn line(fault: &FaultRecord) -> String {
    format!(
        "{} on {} ({}): {}",
        fault.fault, fault.target, fault.server, fault.evidence
    )
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn a_fault_without_effect_proves_nothing() {
        let mut fixture = salvage();
        for event in &mut fixture.events {
            if let EventKind::FaultInjected(fault) = &mut event.kind {
                fault.took_effect = false;
            }
        }
        expect(&fixture, "fault", Verdict::Unknown, "had no effect");
    }
}
