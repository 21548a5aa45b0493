"""The gate: decides whether an answer may be shown. A pure function of question, evidence, draft and policy."""
