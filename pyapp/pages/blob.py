"""The page `blob.html`: the room through the strategy `blob`."""

from demo.room_page import RoomPage

RoomPage("blob").open()
