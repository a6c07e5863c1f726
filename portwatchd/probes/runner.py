"""The running of a probe: connection, handshake, one deadline over all, and the edge at which errors become facts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from portwatchd.model import Depth, Observation, Outcome, Policy, PolicyFact, Security, Stage, Target
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.probes.failures import Circumstances, Failure, classify, why_distrusted, worth_a_lax_handshake
from portwatchd.probes.glance import glance
from portwatchd.probes.limits import Limit, Limits
from portwatchd.probes.registry import ASIDES, PROBES, Aside, Probe
from portwatchd.probes.trace import Trace
from portwatchd.wire.lines import Malformed
from portwatchd.world import Clock, Network, Trust

log = structlog.get_logger(__name__)

MODERN = frozenset({"TLSv1.2", "TLSv1.3"})
"""The versions of TLS that a client may still speak (RFC 8996)."""

SPOKE = frozenset(
    {Outcome.CERTIFICATE_INVALID, Outcome.TLS_FAILED, Outcome.SERVICE_REFUSES, Outcome.STARTTLS_MISSING},
)
"""Failures of a service that answered, so that the asides of an audit still have somebody to ask."""

POLICIES = tuple(Policy)
"""In their order; to go through the enum itself costs as much as a send."""

JUDGED_ELSEWHERE = frozenset({Policy.CERTIFICATE_VALID, Policy.CERTIFICATE_FRESH})
"""Policies that are read from the certificate, not asked on the wire."""


class Prober:
    """Puts a target's question and returns the facts. It keeps nothing between two probes."""

    def __init__(
        self,
        network: Network,
        clock: Clock,
        *,
        connect_timeout: float,
        timeout: float,
        stalled: Callable[[float, float], bool],
    ) -> None:
        """Time-outs are seconds. `stalled` tells whether the monitor itself stood still between two monotonic times."""
        self._network = network
        self._clock = clock
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._stalled = stalled
        self._limits = Limits()

    async def observe(self, target: Target, *, patience: float | None = None) -> Observation:
        """Return what one probe met, within `timeout` seconds whatever the peer does. Only cancellation passes.

        `patience` are the seconds that a connect may take here, where that is less than at other targets.
        """
        at, start = self._clock.wall(), self._clock.monotonic()
        run = _Run(self._network, self._clock, target, min(self._connect_timeout, patience or self._connect_timeout))
        deadline = run.loop.time() + self._timeout
        failure = run.conclude(await self._guard(run, run.main, deadline))
        if run.recognised is not None:
            return replace(run.recognised, at=at, stages=self._stages(run, start))
        aside = ASIDES.get(target.service.protocol)
        if (
            target.depth is Depth.AUDIT
            and aside is not None
            and aside.policy in target.service.policies
            and (failure is None or failure.outcome in SPOKE)
        ):
            run.note_aside(aside, await self._guard(run, run.aside, deadline))
        end = self._clock.monotonic()
        outcome = Outcome.OK if failure is None else failure.outcome
        return Observation(
            at=at,
            outcome=outcome,
            stopped=None if failure is None else run.trace.stopped,
            stages=self._stages(run, start),
            detail="" if failure is None else failure.detail,
            banner=run.trace.banner,
            tls=run.trace.tls,
            certificate=run.trace.certificate,
            policies=run.facts(failure),
            offender=None if failure is None else failure.offender,
            void=outcome is Outcome.TIMEOUT and self._stalled(start, end),
        )

    def _stages(self, run: _Run, start: float) -> tuple[tuple[Stage, float], ...]:
        return (*run.trace.seconds.items(), (Stage.TOTAL, self._clock.monotonic() - start))

    async def _guard(self, run: _Run, step: Callable[[], Awaitable[None]], deadline: float) -> Failure | None:
        """Run a step until the deadline (on the loop's clock); return its failure. The one broad `except` here."""
        try:
            with self._limits.until(deadline) as limit:
                run.limit, run.deadline = limit, deadline
                await step()
        except Exception as error:
            failure = classify(error, Circumstances(run.current.stopped, run.current.understood))
            if failure is None:
                log.exception("probe_bug", service=run.target.service.name, address=run.target.address)
                failure = Failure(Outcome.LOCAL_ERROR, f"a fault in the monitor itself: {type(error).__name__}")
            return failure
        return None


class _Run:
    """One observation under way."""

    def __init__(self, network: Network, clock: Clock, target: Target, connect_timeout: float) -> None:
        self.target = target
        self.loop = asyncio.get_running_loop()
        self.limit: Limit
        self.deadline = 0.0
        """The end of it all, on the loop's clock; the limit is nearer while a connect is awaited."""
        self._network = network
        self._clock = clock
        self._connect_timeout = connect_timeout
        self._doubt: OSError | None = None
        """Why the verifying handshake failed."""
        self._aside_since = 0.0
        self.recognised: Observation | None = None
        """What is known of the target, where a glance showed that it still holds."""
        self.trace = self.current = self._new_trace()

    async def main(self) -> None:
        """Put the target's question; where something is known of the target, look first whether it still holds.

        A second connection that verifies nothing follows where the handshake fails.
        """
        if await self._glanced():
            self.recognised = self.target.known
            return
        probe = PROBES[self.target.service.protocol]
        try:
            await self._converse(probe, Trust.VERIFY)
        except OSError as error:
            if self.trace.stopped is not Stage.TLS or not worth_a_lax_handshake(error):
                raise
            self._doubt = error
            self.trace = self.current = self._new_trace()
            await self._converse(probe, Trust.LAX)

    async def _glanced(self) -> bool:
        """Whether the target shows the certificate that is known of it; whatever else it shows is new."""
        known = self.target.known
        if known is None or known.certificate is None:
            return False
        certificate = known.certificate
        try:
            await self._converse(lambda talk, target: glance(talk, target, certificate), None)
        except (Malformed, Failed, OSError):
            if self.trace.stopped is not Stage.TLS:
                raise
            self.trace = self.current = self._new_trace()
            return False
        return True

    async def aside(self) -> None:
        """Put the audit's question that needs a connection of its own; its stages and banner are not the target's."""
        self._aside_since = self._clock.monotonic()
        self.current = self._new_trace()
        await self._converse(ASIDES[self.target.service.protocol].ask, Trust.VERIFY)

    async def _converse(self, probe: Probe, trust: Trust | None) -> None:
        """Connect and put a question; without trust no handshake comes before it."""
        with self.current.stage(Stage.CONNECT):
            self.limit.move(min(self.deadline, self.loop.time() + self._connect_timeout))
            channel = await self._network.connect(self.target.address, self.target.port)
        try:
            self.limit.move(self.deadline)
            talk = Conversation(channel, self.current, trust or Trust.VERIFY)
            if trust is not None and self.target.service.security is Security.TLS:
                await talk.start_tls(self.target)
            await probe(talk, self.target)
        finally:
            channel.close()

    def conclude(self, failure: Failure | None) -> Failure | None:
        """Return the failure of both handshakes together, with the reason kept at the certificate."""
        if self._doubt is None:
            return failure
        doubt = classify(self._doubt, Circumstances(Stage.TLS, self.trace.understood))
        tls, certificate = self.trace.tls, self.trace.certificate
        if doubt is None or tls is None or certificate is None:
            # The second connection brought nothing to light, so what the first one met stands.
            self.trace.stopped = Stage.TLS
            return doubt
        if tls.version not in MODERN:
            doubt = Failure(Outcome.TLS_FAILED, f"speaks only {tls.version}")
        reason = f"not verified: {doubt.detail}"
        if isinstance(self._doubt, ssl.SSLCertVerificationError):
            reason = why_distrusted(self._doubt)
        self.trace.certificate = replace(certificate, valid=False, reason=reason)
        if doubt.outcome is Outcome.CLOSED:
            # The first connection may have been cut by chance, and nothing is known against the certificate.
            self.trace.certificate = None
        if failure is not None:
            return failure
        self.trace.stopped = Stage.TLS
        return doubt

    def note_aside(self, aside: Aside, failure: Failure | None) -> None:
        """Keep what the aside found out; that it failed says something only of a path that must be reachable."""
        self.trace.facts.update(self.current.facts)
        if failure is None or aside.policy in self.current.facts:
            return
        waited = self._clock.monotonic() - self._aside_since
        unanswered = failure.outcome is not Outcome.LOCAL_ERROR and (
            # Little may be left of the deadline, and a silence of that length proves nothing.
            failure.outcome is not Outcome.TIMEOUT or waited >= self._connect_timeout
        )
        holds = False if aside.policy is Policy.ACME_REACHABLE and unanswered else None
        self.trace.note(aside.policy, holds, f"no answer to the question: {failure.detail}")

    def facts(self, failure: Failure | None) -> tuple[PolicyFact, ...]:
        """Return the policy facts; an audit says of every policy of the service at least that it was not tested."""
        trace = self.trace
        if not trace.facts and self.target.depth is Depth.WATCH:
            return ()
        offered = trace.facts.get(Policy.TLS_OFFERED)
        if (
            failure
            and offered
            and offered.holds is None
            and failure.outcome in {Outcome.TLS_FAILED, Outcome.STARTTLS_INJECTED}
        ):
            trace.note(Policy.TLS_OFFERED, holds=False, reason=f"offered, but {failure.detail}")
        if self.target.depth is Depth.AUDIT:
            why = f"not tested: {failure.detail}" if failure else "not tested"
            for policy in self.target.service.policies - trace.facts.keys() - JUDGED_ELSEWHERE:
                trace.note(policy, holds=None, reason=why)
        return tuple(trace.facts[policy] for policy in POLICIES if policy in trace.facts)

    def _new_trace(self) -> Trace:
        return Trace(self._clock.monotonic, self.target.service.policies - JUDGED_ELSEWHERE)
