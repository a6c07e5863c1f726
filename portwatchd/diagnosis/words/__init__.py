"""Words for people: what a report means and what to do, in plain sentences, English and German."""

from portwatchd.diagnosis.words.details import detail_words
from portwatchd.diagnosis.words.language import LANGUAGES, choose_language, say
from portwatchd.diagnosis.words.lists import bounded, spans
from portwatchd.diagnosis.words.reasons import reason_words
from portwatchd.diagnosis.words.remedies import remedy
from portwatchd.diagnosis.words.sentences import summary
from portwatchd.diagnosis.words.tables import (
    diagnosis_words,
    outcome_words,
    policy_words,
    proof_words,
    verdict_words,
)

__all__ = [
    "LANGUAGES",
    "bounded",
    "choose_language",
    "detail_words",
    "diagnosis_words",
    "outcome_words",
    "policy_words",
    "proof_words",
    "reason_words",
    "remedy",
    "say",
    "spans",
    "summary",
    "verdict_words",
]
