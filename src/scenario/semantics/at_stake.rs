//! Whether an objective could be missed at all: what a lost server loses is judged only where
//! clients wrote for longer than the RPO objective, and a recovery only where the drill lasts for
//! longer than the RTO objective.

use std::time::Duration;

use super::Check;
use crate::{
    fault::ServerAfter,
    scenario::{
        expand::deadline,
        plan::{Action, RunFor},
        problem::Problem,
    },
    units::Time,
};

impl Check<'_> {
    /// A warning for each objective that can't be judged.
    pub(super) fn at_stake(&mut self) {
        self.loss_at_stake();
        self.time_at_stake();
    }

    /// RTO objectives that no recovery within the drill's deadline can miss.
    fn time_at_stake(&mut self) {
        let (deadline, human) = (deadline(self.file), &self.file.human);
        let longest = Time(deadline.0 + human.detect.0 + human.decide.0);
        for (name, objectives) in &self.file.objectives {
            let Some(rto) = objectives.rto.filter(|rto| *rto >= longest) else {
                continue;
            };
            let message = format!(
                "a recovery of `{name}` can't be judged: the objective is {rto}, and the drill \
                 ends after {deadline}"
            );
            let help = "a `deadline` later than the objective, or none";
            let problem = Problem::nowhere(message).help(help).warning();
            self.wrong(&["objectives", name, "rto"], problem);
        }
    }

    /// RPO objectives that a lost server can't be judged by.
    fn loss_at_stake(&mut self) {
        let Some(ran) = self.ran_before_a_server_is_lost() else {
            return;
        };
        let scale = self.file.scale.unwrap_or(1);
        for (name, objectives) in &self.file.objectives {
            let Some(rpo) = objectives.rpo.filter(|rpo| rpo.0 / scale >= ran.0) else {
                continue;
            };
            let in_drill = match scale {
                1 => String::new(),
                _ => format!(" = {} in the drill", Time(rpo.0 / scale)),
            };
            let message = format!(
                "a loss of `{name}` can't be judged: its clients run for {ran} before the \
                 server is lost, and the objective is {rpo}{in_drill}"
            );
            let help = "`run` for longer than the objective before the fault, or raise `scale`";
            let problem = Problem::nowhere(message).help(help).warning();
            self.wrong(&["objectives", name, "rpo"], problem);
        }
    }

    /// For how long clients run before the first server is lost; none when none is, or when
    /// that can't be known beforehand.
    fn ran_before_a_server_is_lost(&self) -> Option<Time> {
        let steps = &self.file.steps;
        let lost = |action: &Action| match action {
            Action::Inject(fault) => fault.facts().server_after == ServerAfter::Lost,
            _other => false,
        };
        let lost = steps.iter().position(|step| lost(&step.action))?;
        let ran = steps[..lost].iter().map(|step| match &step.action {
            Action::Run(RunFor::Time(time)) => Some(time.0),
            Action::Run(RunFor::Transactions { .. }) | Action::Wait(_) => None,
            _ => Some(Duration::ZERO),
        });
        ran.sum::<Option<_>>().map(Time)
    }
}
