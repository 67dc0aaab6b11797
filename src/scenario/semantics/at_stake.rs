//! Whether an objective could be missed at all: what a lost server loses is judged only where
//! clients wrote for longer than the RPO objective, and a recovery only where the drill lasts for
//! longer than the RTO objective.

use std::time::Duration;

use super::{Check, follow};
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
    pub(super) fn at_stake(&self) -> Vec<Problem> {
        let mut warnings = self.loss_at_stake();
        warnings.extend(self.time_at_stake());
        warnings
    }

    /// RTO objectives that no recovery within the drill's deadline can miss.
    fn time_at_stake(&self) -> Vec<Problem> {
        let deadline = deadline(self.file);
        let human = &self.file.human;
        let longest = Time(deadline.0 + human.detect.0 + human.decide.0);
        let objectives = self.file.objectives.iter();
        let demanded = objectives.filter_map(|(name, one)| Some((name, one.rto?)));
        let beyond = demanded.filter(|(_, rto)| *rto >= longest);
        let warned = beyond.map(|(name, rto)| {
            let message = format!(
                "a recovery of `{name}` can't be judged: the objective is {rto}, and the drill \
                 ends after {deadline}"
            );
            let place = follow(self.root, &["objectives", name, "rto"]).place;
            let help = "a `deadline` later than the objective, or none";
            Problem::at(place, message).help(help).warning()
        });
        warned.collect()
    }

    /// RPO objectives that a lost server can't be judged by.
    fn loss_at_stake(&self) -> Vec<Problem> {
        let Some(ran) = self.ran_before_a_server_is_lost() else {
            return Vec::new();
        };
        let scale = self.file.scale.unwrap_or(1);
        let objectives = self.file.objectives.iter();
        let demanded = objectives.filter_map(|(name, one)| Some((name, one.rpo?)));
        demanded
            .filter(|(_, rpo)| rpo.0 / scale >= ran.0)
            .map(|(name, rpo)| self.too_short(name, rpo, scale, ran))
            .collect()
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

    fn too_short(&self, workload: &str, rpo: Time, scale: u32, ran: Time) -> Problem {
        let in_drill = match scale {
            1 => String::new(),
            _ => format!(" = {} in the drill", Time(rpo.0 / scale)),
        };
        let message = format!(
            "a loss of `{workload}` can't be judged: its clients run for {ran} before the \
             server is lost, and the objective is {rpo}{in_drill}"
        );
        let place = follow(self.root, &["objectives", workload, "rpo"]).place;
        let help = "`run` for longer than the objective before the fault, or raise `scale`";
        Problem::at(place, message).help(help).warning()
    }
}
