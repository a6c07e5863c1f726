"""One round of one school: watch, confirm, prove, diagnose. A cause is read from the contrast of all its ports."""
