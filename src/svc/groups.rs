//! Actions on the configuration and on visor itself: reread, update, add, remove, avail, reload, shutdown, poweroff, reboot, halt,
//! version, reopen.

use super::action::Action;
use super::words;
use super::{Answer, Session, names};
use crate::cli::ExitCode;
use crate::order;
use crate::protocol::{Ending, Line, Request};

impl Session {
    /// `reread`
    pub(super) fn reread(&mut self) -> Answer {
        let mut changes = Vec::new();
        self.ask(&Request::Reread, &mut |_, line| changes.extend(words::change(&line)))?;
        order::sort(&mut changes);
        if changes.is_empty() {
            self.screen.line("No config updates to processes");
        }
        changes.iter().for_each(|(_, text)| self.screen.line(text));
        Ok(ExitCode::Success)
    }

    /// `update [GROUP…]`, `add GROUP…`, `remove GROUP…`
    pub(super) fn groups(&mut self, action: Action, arguments: &[&str]) -> Answer {
        let groups = names(arguments.iter().copied());
        let request = match action {
            Action::Add | Action::Remove if groups.is_empty() => return Ok(ExitCode::Success),
            Action::Add => Request::Add(groups),
            Action::Remove => Request::Remove(groups),
            _ if arguments.contains(&"all") => Request::Update(Vec::new()),
            _ => Request::Update(groups),
        };
        self.each_result(&request, &|line| words::group_result(action, line))
    }

    /// `avail`
    pub(super) fn avail(&mut self) -> Answer {
        let mut lines: Vec<Line> = Vec::new();
        self.ask(&Request::Config, &mut |_, line| lines.push(line))?;
        let name = |line: &Line| line.get("process").or(line.get("name")).unwrap_or_default().to_owned();
        order::sort_by(&mut lines, |one, other| name(one).cmp(&name(other)));
        lines.iter().for_each(|line| self.screen.line(&words::available(line)));
        Ok(ExitCode::Success)
    }

    /// `reload`
    pub(super) fn reload(&mut self) -> Answer {
        if !self.confirms("Really restart the remote supervisord process y/N? ") {
            return Ok(ExitCode::Success);
        }
        let shows_groups = self.is_own();
        let mut code = ExitCode::Success;
        self.ask(&Request::Reload, &mut |screen, line| {
            let said = words::group_result(Action::Reload, &line);
            code = said.code.unwrap_or(code);
            if shows_groups || said.code.is_some() {
                screen.line(&said.text);
                screen.flush();
            }
        })?;
        if code == ExitCode::Success {
            self.screen.line("Restarted supervisord");
        }
        Ok(code)
    }

    /// `shutdown`
    pub(super) fn shutdown(&mut self) -> Answer {
        if !self.confirms("Really shut the remote supervisord process down y/N? ") {
            return Ok(ExitCode::Success);
        }
        self.ask(&Request::Shutdown, &mut |_, _| {})?;
        self.screen.line("Shut down");
        Ok(ExitCode::Success)
    }

    /// `poweroff`, `reboot`, `halt`
    pub(super) fn end(&mut self, ending: Ending) -> Answer {
        let (question, told) = match ending {
            Ending::Poweroff => ("Really power the machine off y/N? ", "Powering off"),
            Ending::Reboot => ("Really reboot the machine y/N? ", "Rebooting"),
            Ending::Halt => ("Really halt the machine y/N? ", "Halting"),
        };
        if !self.confirms(question) {
            return Ok(ExitCode::Success);
        }
        self.ask(&Request::End(ending), &mut |_, _| {})?;
        self.screen.line(told);
        Ok(ExitCode::Success)
    }

    /// `version`
    pub(super) fn version(&mut self) -> Answer {
        self.ask(&Request::Hello, &mut |screen, line| {
            if let Some(version) = line.get("version") {
                screen.line(version);
            }
        })?;
        Ok(ExitCode::Success)
    }

    /// `reopen`
    pub(super) fn reopen(&mut self) -> Answer {
        self.ask(&Request::Reopen, &mut |_, _| {})?;
        self.screen.line("Reopened logs");
        Ok(ExitCode::Success)
    }
}
