"""What customers and agents of the suite say."""

QUESTIONS = (
    "My Lumen 3 was in storage for 8 months and now the console says E-4012",
    "How do I reset a Lumen 3 to factory settings?",
    "Which ports does WireGuard need on a Lumen 3?",
    "What does the warning W-207 mean?",
    "How long do I have to send a device back?",
    "Hello!",
    "What are your opening hours?",
)
UNANSWERABLE = (
    "Can I mount the Lumen 3 Node outdoors under the roof of my terrace?",
    "Does the Lumen 3 play music from a turntable?",
    "I would like to speak to a person, please.",
    "Will the Lumen 3 be painted in the colours of my football club?",
)
MORE = ("It is rather urgent.", "I have two of them.", "The light is still on.", "Are you there?", "One more thing.")
REPLIES = ("Let me have a look for you.", "Please keep it indoors, away from moisture.", "We will send you a new one.")
RESOLUTION = "Solved on the phone: the device must be kept indoors."
