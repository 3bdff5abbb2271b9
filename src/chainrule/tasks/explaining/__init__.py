"""Why a network says what it says: methods by name, and for each task how it reads what is given."""
