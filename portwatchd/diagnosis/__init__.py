"""Judgement: pure functions from facts to verdicts, from verdicts to diagnoses, and the words for both."""
