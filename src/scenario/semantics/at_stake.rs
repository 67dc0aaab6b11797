//! Whether an RPO objective could be missed at all: what a lost server loses is judged only
//! where clients wrote for longer than the objective.

use super::{Check, follow};
use crate::{
    scenario::{
        plan::Fault,
        problem::Problem,
        step_file::{ActionFile, RunFile},
    },
    units::Time,
};

impl Check<'_> {
    /// A warning for each RPO objective that a lost server can't be judged by.
    pub(super) fn at_stake(&self) -> Vec<Problem> {
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
        let lost = |action: &ActionFile| matches!(action, ActionFile::Inject(Fault::LoseServer));
        let lost = steps.iter().position(|step| lost(&step.action))?;
        let ran = steps[..lost].iter().map(|step| match &step.action {
            ActionFile::Run(RunFile::Time(time)) => Some(time.0),
            ActionFile::Run(RunFile::Transactions(_)) | ActionFile::Wait(_) => None,
            _ => Some(std::time::Duration::ZERO),
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
